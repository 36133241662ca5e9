// Requests to the hospital: token, idempotency key, plain refusals, and time-outs that mean "unknown".

const TIMEOUT_MS = 8_000;
const WRITE_ATTEMPTS = 3;
const RETRY_PAUSE_MS = 700;
const RETRY_PAUSE_MAX_MS = 3_000;
const SERVER_TROUBLE = 500;

export class Refused extends Error {
  constructor(status, problem, retryAfterMs = 0) {
    super(problem.detail ?? "");
    this.status = status;
    this.code = problem.code ?? `http_${status}`;
    this.detail = problem.detail ?? "";
    this.requestId = problem.request_id ?? "";
    this.ids = problem.ids ?? {};
    this.retryAfterMs = retryAfterMs;
  }
}

// Nothing was learned: the line is down, the server is busy, or the answer did not come in time.
export class Unanswered extends Error {
  constructor(reason, retryAfterMs = 0) {
    super(reason);
    this.retryAfterMs = retryAfterMs;
  }
}

export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// `sign({ method, path, text })` gives the headers that prove who asks, anew for every attempt.
export async function send(method, path, { body, headers = {}, sign, timeoutMs = TIMEOUT_MS, signal } = {}) {
  const text = body ? JSON.stringify(body) : undefined;
  const proofs = sign ? await sign({ method, path, text }) : {};
  const stop = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]);
  let response;
  let payload;
  try {
    response = await fetch(path, {
      method,
      headers: { ...(text ? { "Content-Type": "application/json" } : {}), ...headers, ...proofs },
      body: text,
      cache: "no-store",
      signal: stop,
    });
    payload = await response.json().catch(() => ({}));
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw new Unanswered(error.name);
  }
  if (response.ok) return payload;
  if (response.status >= SERVER_TROUBLE) {
    throw new Unanswered(payload.code ?? `http_${response.status}`, retryAfter(response));
  }
  throw new Refused(response.status, payload, retryAfter(response));
}

function retryAfter(response) {
  const seconds = Number(response.headers.get("Retry-After"));
  return Number.isFinite(seconds) ? seconds * 1_000 : 0;
}

// `device` signs every request; after a 401 it corrects its clock or asks for a new token, once.
export function hospital(device) {
  async function authorized(method, path, options = {}) {
    const attempt = () => send(method, path, { ...options, sign: device.sign });
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error;
      if (!device.learnTime(error)) await device.login({ renew: true });
      return attempt();
    }
  }

  // One key for all attempts: an attempt whose answer was lost may have been done.
  async function write(path, body, { key = randomKey(), ...options } = {}) {
    const headers = { "Idempotency-Key": key };
    for (let left = WRITE_ATTEMPTS; ; left -= 1) {
      try {
        return await authorized("POST", path, { ...options, body, headers });
      } catch (error) {
        if (!(error instanceof Unanswered) || left === 1) throw error;
        // Somebody stands and waits: a longer wish of the server is the next person's matter.
        await pause(Math.min(Math.max(error.retryAfterMs, RETRY_PAUSE_MS), RETRY_PAUSE_MAX_MS));
      }
    }
  }

  return {
    read: (path, options) => authorized("GET", path, options),
    write,
    async ticket({ renew = false } = {}) {
      if (renew) await device.login({ renew });
      const { ticket } = await authorized("POST", "/rt/tickets");
      return { ticket, leftMs: device.leftMs() };
    },
  };
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
