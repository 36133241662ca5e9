// Proofs of possession (RFC 9449): one signature for one request, with the hash of its body in `bh`.

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" };
const JTI_BYTES = 16;

/** { key, jwk }: a private key that no script can read, and its public half. */
export async function newKey() {
  const pair = await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
  return { key: pair.privateKey, jwk: publicPart(await crypto.subtle.exportKey("jwk", pair.publicKey)) };
}

/** The same of a private JWK that somebody else has made. Throws where it is none. */
export async function importedKey(privateJwk) {
  const key = await crypto.subtle.importKey("jwk", privateJwk, ALGORITHM, false, ["sign"]);
  return { key, jwk: publicPart(privateJwk) };
}

const publicPart = ({ kty, crv, x, y }) => ({ kty, crv, x, y });

/** `text` is the body exactly as it is sent, `at` the server's time in milliseconds. */
export async function proof({ key, jwk }, { method, path, text = "", token = "", at }) {
  const claims = {
    htm: method,
    htu: location.origin + path.split("?")[0],
    iat: Math.floor(at / 1_000),
    jti: base64url(crypto.getRandomValues(new Uint8Array(JTI_BYTES))),
    ...(token ? { ath: await hash(token) } : {}),
    ...(method === "GET" ? {} : { bh: await hash(text) }),
  };
  const signed = `${packed({ typ: "dpop+jwt", alg: "ES256", jwk })}.${packed(claims)}`;
  const signature = await crypto.subtle.sign(SIGNATURE, key, bytes(signed));
  return `${signed}.${base64url(new Uint8Array(signature))}`;
}

const bytes = (text) => new TextEncoder().encode(text);
const packed = (value) => base64url(bytes(JSON.stringify(value)));
const hash = async (text) => base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes(text))));

export function base64url(array) {
  return btoa(String.fromCharCode(...array)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export const fromBase64url = (text) => atob(text.replaceAll("-", "+").replaceAll("_", "/"));
