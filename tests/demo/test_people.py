"""The people of the demo's day."""

from datetime import date

from app.demo.people import new_birthday, new_id_number
from app.patients.rules import age_on, read_id_number

TODAY = date(2028, 2, 29)


def test_their_numbers_pass_every_check() -> None:
    for _ in range(50):
        born = new_birthday(TODAY, age=8)
        number = read_id_number(new_id_number(born_on=born, sex="1"), today=TODAY)
        assert number is not None
        assert (number.born_on, number.sex) == (born, "1")
        assert age_on(TODAY, born) in (8, 9)


def test_a_day_played_again_meets_no_number_of_an_earlier_one() -> None:
    numbers = [new_id_number(born_on=new_birthday(TODAY, age=34), sex="2") for _ in range(300)]
    assert len(set(numbers)) > 297  # of the 250 of one birthday half would be used up
