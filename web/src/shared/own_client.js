// Our own pages as a client of our own authorization server: a pushed request, and its answer redeemed.

import { send } from "./api.js";
import { challengeOf, newSecret } from "./pkce.js";

export const CLIENT_ID = "staff_web";
const RETURN_TO = "/ui/signed-in";
const PENDING = "jiuyi.login.pending";

const issuer = async () => (await send("GET", "/.well-known/oauth-authorization-server")).issuer;

/** The one address that codes are sent back to; a page opened under another name moves there. */
export async function moveHome() {
  const home = await issuer();
  if (home !== location.origin) location.replace(home + location.pathname + location.search);
}

/** Push a request of our own; who comes back with its answer must have its state and its secret. */
export async function pushOwnRequest() {
  const pending = { state: newSecret(), verifier: newSecret(), redirectUri: location.origin + RETURN_TO };
  const pushed = await send("POST", "/oauth/par", {
    body: {
      client_id: CLIENT_ID,
      response_type: "code",
      redirect_uri: pending.redirectUri,
      state: pending.state,
      code_challenge: await challengeOf(pending.verifier),
      code_challenge_method: "S256",
    },
  });
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  return { clientId: CLIENT_ID, requestUri: pushed.request_uri };
}

/** The tokens for the answer in the address, null where it carries none, "foreign" where it is not ours. */
export async function redeemAnswer() {
  const answer = new URLSearchParams(location.search);
  if (!answer.has("code")) return null;
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
  sessionStorage.removeItem(PENDING);
  history.replaceState(null, "", location.pathname); // a code is no bookmark
  if (!pending || answer.get("state") !== pending.state || answer.get("iss") !== location.origin) return "foreign";
  return send("POST", "/oauth/token", {
    body: {
      grant_type: "authorization_code",
      client_id: CLIENT_ID,
      code: answer.get("code"),
      code_verifier: pending.verifier,
      redirect_uri: pending.redirectUri,
    },
  });
}
