// Who this screen is: enrolled once by a code, known ever after by a key that never leaves it.

import { randomKey, Refused, send } from "./api.js";
import { fromBase64url, importedKey, newKey, proof } from "./dpop.js";
import { keepIdentity, keptIdentity } from "./keeping.js";

const CLIENT = "jiuyi.client";
const RENEW_BEFORE_MS = 60_000;

export class NotEnrolled extends Error {}

/** Whether the hospital does not know this screen, or no longer wants it. */
export const isStranger = (error) =>
  error instanceof NotEnrolled || (error instanceof Refused && [401, 403].includes(error.status));

// What the address brought: a one-time code, or in a demo a whole identity.
let given = new URLSearchParams();
let clockOffsetMs = 0;
let fresh = null;

export function readAddress() {
  given = new URLSearchParams(location.hash.slice(1));
  // Neither may stay where a passer-by can read or photograph it.
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
}

export const codeInAddress = () => given.get("code") ?? "";

/** Redeem a code. A try whose answer was lost is repeated with the same key, so it gets the same answer. */
export async function enrol(code) {
  fresh ??= await newKey();
  const { device_id: deviceId } = await signed(fresh, "/oauth/device/enrol", { code });
  await keepIdentity({ deviceId, ...fresh });
}

async function identity() {
  if (given.has("private_jwk")) await takeHandedKey();
  const kept = await keptIdentity();
  if (!kept) throw new NotEnrolled();
  return kept;
}

// The demo hospital makes the keys of its devices itself; a real one refuses what it has not seen being made.
async function takeHandedKey() {
  const { demo } = await send("GET", "/oauth/device");
  const handed = given;
  given = new URLSearchParams();
  if (!demo) return;
  try {
    const key = await importedKey(JSON.parse(fromBase64url(handed.get("private_jwk"))));
    await keepIdentity({ deviceId: handed.get("device_id"), ...key });
  } catch {
    throw new NotEnrolled("key_malformed");
  }
}

// A request without a token, signed; a clock that is wrong is corrected by the refusal, once.
async function signed(keys, path, body, { again = true } = {}) {
  const sign = async (request) => ({ DPoP: await proof(keys, { ...request, at: hospitalTime() }) });
  try {
    return await send("POST", path, { body, sign });
  } catch (error) {
    if (!again || !learnTime(error)) throw error;
    return signed(keys, path, body, { again: false });
  }
}

const hospitalTime = () => Date.now() + clockOffsetMs;

/** Whether the hospital refused a signature for its time alone; its own time is taken over then. */
function learnTime(error) {
  if (!(error instanceof Refused) || error.code !== "proof_stale") return false;
  clockOffsetMs = Number(error.ids.server_time) * 1_000 - Date.now();
  return true;
}

export function clientId() {
  const known = localStorage.getItem(CLIENT);
  if (known) return known;
  const made = randomKey();
  localStorage.setItem(CLIENT, made);
  return made;
}

/** What `hospital` needs to speak as this device: a token, and a signature on every request. */
export function deviceLogin() {
  let held = null;
  let asking = null;

  async function ask() {
    const me = await identity();
    try {
      const granted = await signed(me, "/oauth/device", { device_id: me.deviceId });
      held = { me, token: granted.access_token, until: performance.now() + granted.expires_in * 1_000 };
      return held;
    } catch (error) {
      if (error instanceof Refused && [400, 401, 403, 404].includes(error.status)) {
        throw new NotEnrolled(error.code);
      }
      throw error;
    }
  }

  async function login({ renew = false } = {}) {
    const lasting = held && performance.now() < held.until - RENEW_BEFORE_MS;
    if (lasting && !renew) return held;
    // Several callers may meet an old token at once; one asks for all.
    asking ??= ask().finally(() => {
      asking = null;
    });
    return asking;
  }

  return {
    login,
    learnTime,
    leftMs: () => (held ? held.until - performance.now() : 0),
    async sign(request) {
      const { me, token } = await login();
      const signature = await proof(me, { ...request, token, at: hospitalTime() });
      return { Authorization: `DPoP ${token}`, DPoP: signature };
    },
  };
}
