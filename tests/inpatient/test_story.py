"""The patient's timeline shows the stay, once."""

from app.encounters.timeline import timeline
from app.inpatient import story
from app.inpatient.admission import discharge_patient
from app.inpatient.events import PatientAdmitted, PatientDischarged
from app.kernel.events import Lane, Subscription
from app.kernel.relay import Relay
from tests.make import inpatient as make


async def test_admission_and_discharge_stand_in_the_timeline(db: str) -> None:
    stay = await make.stay()
    await discharge_patient(stay.nurse, admission_id=stay.admission_id)
    relay = Relay(
        [
            Subscription("inpatient.tell_admitted", PatientAdmitted, story.tell_admitted),
            Subscription("inpatient.tell_discharged", PatientDischarged, story.tell_discharged),
        ]
    )
    while await relay.turn(Lane.LIVE):
        pass
    steps = await timeline(make.TEST, person_id=stay.person_id)
    assert {step.title for step in steps} == {"办理入院", "办理出院"}
