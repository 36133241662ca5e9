// Who this screen is: its key comes once in the address, then lives on the device.

import { randomKey, Refused, send } from "./api.js";

const CREDENTIALS = "jiuyi.device";
const CLIENT = "jiuyi.client";
const RENEW_BEFORE_MS = 60_000;

export class NotEnrolled extends Error {}

/** Whether the hospital does not know this screen, or no longer wants it. */
export const isStranger = (error) =>
  error instanceof NotEnrolled || (error instanceof Refused && [401, 403].includes(error.status));

export function enrol() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.get("device_id") && given.get("device_key")) {
    localStorage.setItem(
      CREDENTIALS,
      JSON.stringify({ device_id: given.get("device_id"), device_key: given.get("device_key") }),
    );
    // The key must not stay where a passer-by can read or photograph it.
    history.replaceState(null, "", location.pathname + location.search);
  }
}

export function clientId() {
  const known = localStorage.getItem(CLIENT);
  if (known) return known;
  const fresh = randomKey();
  localStorage.setItem(CLIENT, fresh);
  return fresh;
}

export function deviceToken() {
  let held = null;
  let asking = null;

  async function ask() {
    const credentials = localStorage.getItem(CREDENTIALS);
    if (!credentials) throw new NotEnrolled();
    try {
      const granted = await send("POST", "/oauth/device", { body: JSON.parse(credentials) });
      held = { token: granted.access_token, until: performance.now() + granted.expires_in * 1_000 };
      return held.token;
    } catch (error) {
      if (error instanceof Refused && [400, 401, 403, 404].includes(error.status)) {
        throw new NotEnrolled(error.code);
      }
      throw error;
    }
  }

  async function token({ renew = false } = {}) {
    const fresh = held && performance.now() < held.until - RENEW_BEFORE_MS;
    if (fresh && !renew) return held.token;
    // Several callers may meet an old token at once; one asks for all.
    asking ??= ask().finally(() => {
      asking = null;
    });
    return asking;
  }

  token.leftMs = () => (held ? held.until - performance.now() : 0);
  return token;
}
