// The client of hosp.rt.v1: one socket, several streams, nothing shown twice, nothing silently stale.

import { randomKey } from "./api.js";
import { serverClock } from "./clock.js";
import { follow } from "./stream.js";

const PROTOCOL = "hosp.rt.v1";
const SILENCE_MS = 40_000;
const WHOLE_MS = 10_000;
const GRACE_MS = 1_500;
const BACKOFF_MS = 1_000;
const BACKOFF_MAX_MS = 30_000;
const REPLACED_MS = 60_000;
const REAUTH_BEFORE_MS = 60_000;
const ACK_EVERY = 16;
const ACK_WITHIN_MS = 1_000;
const REPLACED = 4009;

/**
 * hear({ stream, state?, event? }) gets every snapshot and event once, in order.
 * tell({ line, lastGoodAt, reason }) gets every change of line: connecting, live, offline.
 */
export function connectLive({ streams, ticket, clientId, windowSize = 64, hear, tell }) {
  const bootId = randomKey();
  const clock = serverClock();
  const followed = new Map(streams.map((name) => [name, follow(name)]));
  let socket = null;
  let line = "connecting";
  let lastGoodAt = null;
  let failures = 0;
  let attempt = 0;
  let inGrace = false;
  let unacked = 0;
  let pleaseWaitMs = null;
  let stopped = false;
  const timers = {};

  function set(name, ms, action) {
    clearTimeout(timers[name]);
    timers[name] = setTimeout(action, ms);
  }

  function clear(...names) {
    for (const name of names) clearTimeout(timers[name]);
  }

  function turn(next, reason = "") {
    clear("grace");
    inGrace = next === "connecting";
    line = next;
    tell({ line, lastGoodAt, reason });
  }

  async function open() {
    attempt += 1;
    const mine = attempt;
    let granted;
    try {
      granted = await ticket();
    } catch (error) {
      if (mine === attempt) lost(error.message, error.retryAfterMs);
      return;
    }
    if (stopped || mine !== attempt) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const opened = new WebSocket(`${scheme}://${location.host}/rt`);
    socket = opened;
    opened.onopen = () => say(hello(granted.ticket));
    opened.onmessage = (message) => socket === opened && take(JSON.parse(message.data));
    opened.onclose = (event) => socket === opened && lost(`closed_${event.code}`, 0, event.code);
    expectWhole();
  }

  // A server that greets but never brings the state, or leaves a hole open, is as bad as a dead one.
  function expectWhole() {
    set("whole", WHOLE_MS, () => drop("incomplete"));
  }

  function hello(granted) {
    return {
      t: "hello",
      v: PROTOCOL,
      ticket: granted,
      client_id: clientId,
      boot_id: bootId,
      streams: [...followed.values()].map((stream) => stream.resumeFrom()),
      window: windowSize,
    };
  }

  function say(frame) {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
  }

  function take(frame) {
    set("silence", SILENCE_MS, () => drop("silence"));
    handlers[frame.t]?.(frame);
    const whole = [...followed.values()].every((stream) => stream.isReady());
    if (whole) {
      clear("whole");
      lastGoodAt = clock.now();
      failures = 0;
      if (line !== "live") turn("live");
    }
  }

  const handlers = {
    welcome(frame) {
      clock.forget();
      clock.hear(frame.server_time);
      for (const offer of frame.streams) followed.get(offer.s)?.welcome(offer);
      reauthorizeIn(Date.parse(frame.token_exp) - Date.parse(frame.server_time));
    },
    snap(frame) {
      if (followed.get(frame.s)?.snap(frame)) hear({ stream: frame.s, state: frame.state });
      acknowledge(true);
    },
    ev(frame) {
      const verdict = followed.get(frame.s)?.event(frame);
      if (verdict === "next") {
        hear({ stream: frame.s, event: { ...frame, ageMs: clock.now() - Date.parse(frame.at) } });
        acknowledge(false);
      }
      if (verdict === "hole") {
        say(followed.get(frame.s).resync());
        expectWhole();
      }
    },
    gap(frame) {
      expectWhole();
      followed.get(frame.s)?.gap(frame);
    },
    ping(frame) {
      say({ t: "pong", n: frame.n });
    },
    bye(frame) {
      pleaseWaitMs = frame.retry_after_ms ?? 0;
    },
  };

  function acknowledge(atOnce) {
    unacked += 1;
    if (atOnce || unacked >= ACK_EVERY) return flushAcks();
    if (unacked === 1) set("ack", ACK_WITHIN_MS, flushAcks);
    return undefined;
  }

  function flushAcks() {
    clear("ack");
    unacked = 0;
    for (const stream of followed.values()) {
      const frame = stream.ack();
      if (frame) say(frame);
    }
  }

  function reauthorizeIn(leftMs) {
    if (leftMs > 0) set("reauth", Math.max(leftMs - REAUTH_BEFORE_MS, leftMs / 2), reauthorize);
  }

  async function reauthorize() {
    const mine = socket;
    try {
      const granted = await ticket({ renew: true });
      if (mine !== socket) return;
      say({ t: "reauth", ticket: granted.ticket });
      reauthorizeIn(granted.leftMs);
    } catch {
      // The server closes with 4001 at expiry and the usual way back is taken.
    }
  }

  function drop(reason) {
    const dead = socket;
    socket = null;
    dead?.close();
    lost(reason);
  }

  function lost(reason, retryAfterMs = 0, closeCode = 0) {
    socket = null;
    clear("silence", "whole", "ack", "reauth");
    for (const stream of followed.values()) stream.hangUp();
    if (stopped) return;
    // A drained server or a renewed token is back within the grace; longer is a fact to be shown.
    if (line === "live" && closeCode !== REPLACED) {
      turn("connecting", reason);
      set("grace", GRACE_MS, () => turn("offline", reason));
    } else if (!inGrace) {
      turn("offline", reason);
    }
    set("retry", waitMs(retryAfterMs, closeCode), open);
    failures += 1;
  }

  function waitMs(retryAfterMs, closeCode) {
    const asked = pleaseWaitMs;
    pleaseWaitMs = null;
    if (asked !== null) return asked; // already a random share of the server's own
    // Another screen was opened with this key: fighting over it would blind both.
    if (closeCode === REPLACED) return REPLACED_MS * (1 + Math.random());
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** Math.min(failures, 10));
    return retryAfterMs + Math.random() * ceiling;
  }

  function hurry() {
    if (line === "live" || socket || stopped) return;
    clear("retry");
    open();
  }

  addEventListener("online", hurry);
  open();
  return {
    stop() {
      stopped = true;
      removeEventListener("online", hurry);
      clear(...Object.keys(timers));
      socket?.close();
    },
  };
}
