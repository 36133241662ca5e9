// One person at the kiosk, from the card to the ticket, and nothing of her afterwards.

import { reactive } from "vue";
import { hospital, pause, randomKey, Refused } from "../shared/api.js";
import { serverClock } from "../shared/clock.js";
import { deviceLogin, isStranger, NotEnrolled } from "../shared/device.js";
import { shownBy } from "../shared/wedge.js";

const LOOK_EVERY_MS = 10_000;
const LOOK_WHEN_DOWN_MS = 3_000;
const PRIVATE_FACES = new Set(["reading", "visits", "ticket", "refused", "unsure"]);

const NOBODY = Object.freeze({ visitor: null, visits: [], ticket: null, refusal: null, pending: null, busy: false });

export function kioskVisit() {
  const kiosk = reactive({ face: "loading", place: "", elder: false, lastGoodAt: null, ...NOBODY });
  const api = hospital(deviceLogin());
  const clock = serverClock();
  let round = 0; // answers to an earlier person's question are thrown away

  function wipe(face = "home") {
    round += 1;
    Object.assign(kiosk, NOBODY, { face, elder: false });
  }

  async function scanned(value) {
    if (kiosk.busy || !canScan(kiosk.face)) return;
    const elder = kiosk.elder && kiosk.face === "home";
    wipe("reading");
    kiosk.elder = elder;
    await ask(
      () => api.write("/api/kiosk/v1/identify", shownBy(value)),
      (known) => Object.assign(kiosk, { face: "visits", visitor: known.visitor, visits: inOrder(known.visits) }),
      () => wipe("offline"),
    );
  }

  async function checkIn(visit) {
    kiosk.busy = true;
    // The key outlives a lost answer: pressing again asks for the same check-in, not for a second one.
    if (kiosk.pending?.visit !== visit) kiosk.pending = { visit, key: randomKey() };
    const body = { visitor_token: kiosk.visitor.token, appointment_id: visit.appointment_id };
    await ask(
      () => api.write("/api/kiosk/v1/check-ins", body, { key: kiosk.pending.key }),
      (ticket) => Object.assign(kiosk, { face: "ticket", ticket }),
      () => Object.assign(kiosk, { face: "unsure" }),
    );
  }

  async function ask(question, answered, unanswered) {
    const mine = round;
    try {
      const answer = await question();
      if (mine === round) answered(answer);
    } catch (error) {
      if (mine !== round) return;
      if (error instanceof NotEnrolled) wipe("unknown_device");
      else if (error instanceof Refused) Object.assign(kiosk, { face: "refused", refusal: error });
      else unanswered();
    } finally {
      if (mine === round) kiosk.busy = false;
    }
  }

  async function watchHospital() {
    for (;;) {
      if (!PRIVATE_FACES.has(kiosk.face)) await look();
      await pause(kiosk.face === "offline" ? LOOK_WHEN_DOWN_MS : LOOK_EVERY_MS);
    }
  }

  // The home page never asks for a card that the hospital could not read.
  async function look() {
    const mine = round;
    let face = "home";
    try {
      const me = await api.read("/api/kiosk/v1/me");
      kiosk.place = me.place.name;
      clock.forget();
      clock.hear(me.now);
      kiosk.lastGoodAt = clock.now();
    } catch (error) {
      face = isStranger(error) ? "unknown_device" : "offline";
    }
    if (mine === round && !PRIVATE_FACES.has(kiosk.face)) kiosk.face = face;
  }

  watchHospital();
  return {
    kiosk,
    clock,
    scanned,
    checkIn,
    wipe,
    show: (ticket) => Object.assign(kiosk, { face: "ticket", ticket }),
    hasPrivateData: () => PRIVATE_FACES.has(kiosk.face),
  };
}

const canScan = (face) => face === "home" || face === "loading" || PRIVATE_FACES.has(face);

// What she can do now comes first, what she has done next, what must wait last.
function inOrder(visits) {
  const rank = (visit) => (visit.can_check_in ? 0 : visit.ticket ? 1 : 2);
  return [...visits].sort((a, b) => rank(a) - rank(b) || Date.parse(a.starts_at) - Date.parse(b.starts_at));
}
