// A secret that stays in this page, and the challenge that is sent in its place (RFC 7636, S256).

import { base64url } from "./dpop.js";

const SECRET_BYTES = 32;

export const newSecret = () => base64url(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));

export async function challengeOf(verifier) {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
}
