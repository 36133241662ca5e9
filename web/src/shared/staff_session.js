// A staff login in this tab, and the tabs that were copied from it.
//
// The tokens stand in sessionStorage: they survive a reload, and end with the tab on a workstation that
// others use next; localStorage would leave them to whoever opens the browser. A copied tab starts with
// the same refresh token, whose second use would end the login. So one tab at a time renews, asks the
// others first whether they have newer tokens, and tells them what it got.

import { reactive } from "vue";
import { Refused, send } from "./api.js";
import { fromBase64url } from "./dpop.js";
import { CLIENT_ID } from "./own_client.js";

const KEPT = "jiuyi.login";
const RENEW_BEFORE_MS = 90_000;
const LOOK_EVERY_MS = 10_000;
const ANSWER_MS = 300;

const claimsOf = (token) => JSON.parse(fromBase64url(token.split(".")[1]));

export function staffSession() {
  const channel = new BroadcastChannel(KEPT);
  const session = reactive({ login: JSON.parse(sessionStorage.getItem(KEPT) ?? "null"), endedBy: "" });

  function hold(login) {
    session.login = login;
    sessionStorage.setItem(KEPT, JSON.stringify(login));
  }

  function begin(granted) {
    const { sid, auth_time: since } = claimsOf(granted.access_token);
    hold({ sid, since: since * 1_000, turn: 0, ...tokensOf(granted) });
  }

  function end(by, { tell = false } = {}) {
    const sid = session.login?.sid;
    sessionStorage.removeItem(KEPT);
    Object.assign(session, { login: null, endedBy: by });
    if (tell) channel.postMessage({ ended: by, sid });
  }

  channel.onmessage = ({ data }) => {
    const own = session.login;
    if (!own || data.sid !== own.sid) return;
    if (data.ended) end(data.ended);
    else if (data.login && data.login.turn > own.turn) hold(data.login);
    else if (data.held < own.turn) tellOthers();
  };

  const tellOthers = () => channel.postMessage({ sid: session.login.sid, login: { ...session.login } });

  /** New tokens. Who waited for another tab's turn finds them there already. */
  async function renew() {
    const before = session.login.turn;
    await navigator.locks.request(KEPT, async () => {
      channel.postMessage({ sid: session.login.sid, held: session.login.turn });
      await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
      if (session.login?.turn === before) await present();
    });
  }

  async function present() {
    const own = session.login;
    const body = { grant_type: "refresh_token", client_id: CLIENT_ID, refresh_token: own.refreshToken };
    try {
      hold({ ...own, turn: own.turn + 1, ...tokensOf(await send("POST", "/oauth/token", { body })) });
      tellOthers();
    } catch (error) {
      if (error instanceof Refused && error.status === 400) end("expired", { tell: true });
      throw error;
    }
  }

  async function ask(method, path) {
    try {
      return await send(method, path, { headers: { Authorization: `Bearer ${session.login.accessToken}` } });
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error;
      end("expired");
      throw error;
    }
  }

  async function lookAtTheTime() {
    if (!session.login || Date.now() < session.login.until - RENEW_BEFORE_MS) return;
    // Without an answer the next look tries again; a refusal has ended the login already.
    await renew().catch(() => undefined);
  }

  async function renewIfOver() {
    if (session.login && Date.now() >= session.login.until) await renew();
  }

  setInterval(lookAtTheTime, LOOK_EVERY_MS);
  addEventListener("visibilitychange", lookAtTheTime);
  return { session, begin, end, renew, renewIfOver, ask };
}

function tokensOf(granted) {
  return {
    accessToken: granted.access_token,
    refreshToken: granted.refresh_token,
    until: Date.now() + granted.expires_in * 1_000,
  };
}
