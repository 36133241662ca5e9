"""The insurance bureau as an honest hospital meets it."""

import pytest

from tests.simulators.conftest import Simulators
from tests.simulators.raw_bureau import Client, by_id_card, new_person


@pytest.fixture
def client(simulators: Simulators) -> Client:
    made = Client(simulators)
    made.sign_in()
    return made


def test_a_person_is_found_by_identity_card(simulators: Simulators, client: Client) -> None:
    person = new_person(simulators, account_fen=12_345)
    told = client.output("1101", {"data": by_id_card(person)})
    assert told["baseinfo"]["psn_no"] == person["psn_no"]
    assert told["insuinfo"][0]["balc"] == 123.45
    assert told["insuinfo"][0]["insuplc_admdvs"] == person["insuplc_admdvs"]
