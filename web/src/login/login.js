// One login, from the name to the address that the browser is sent back to; nothing is kept but in memory.

import { reactive } from "vue";
import { Refused, send } from "../shared/api.js";
import { clockMinute } from "../shared/clock.js";
import { moveHome, pushOwnRequest } from "../shared/own_client.js";
import { challengeOf, newSecret } from "../shared/pkce.js";

const STAFF = "/api/staff/v1";
const NEXT_CODE = "每个动态口令只能用一次，请等手机上换出新的 6 位数字再输入。";

export function staffLogin() {
  const asked = requestInAddress();
  const login = reactive({
    face: "name", // name, code, new_password, app, recovery_codes
    busy: false,
    trouble: "",
    notice: "",
    demo: false,
    onlyKey: false, // of code: no authenticator app is enrolled
    withFactor: false, // of new_password: an enrolled factor must be proved once more
    app: null,
    recoveryCodes: [],
  });
  let name = "";
  let password = "";
  let bearer = {};
  let lacksFactor = false;

  async function doing(work) {
    if (login.busy) return;
    Object.assign(login, { busy: true, trouble: "", notice: "" });
    try {
      await work();
    } catch (error) {
      login.trouble = wordsFor(error);
    }
    login.busy = false;
  }

  const enter = (given) =>
    doing(async () => {
      name = given.name.trim();
      password = given.password;
      await logIn({});
    });

  const prove = (proof) => doing(() => logIn(proof));

  async function logIn(proof, { notice = "" } = {}) {
    const verifier = newSecret();
    const code = await codeFor(verifier, proof, notice);
    if (code) await answer(code, verifier);
  }

  // Null where the second factor is asked for first.
  async function codeFor(verifier, proof, notice = "") {
    const body = { login_name: name, password, code_challenge: await challengeOf(verifier), ...proof };
    try {
      return (await send("POST", `${STAFF}/login`, { body })).code;
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== "second_factor_required") throw error;
      Object.assign(login, { face: "code", notice, onlyKey: !error.ids.factors?.includes("totp") });
      return null;
    }
  }

  async function answer(code, verifier) {
    // Our own request is pushed only now, so that it cannot grow old while a factor is enrolled.
    const { clientId, requestUri } = asked ?? (await pushOwnRequest());
    const body = { client_id: clientId, request_uri: requestUri, login_code: code, login_verifier: verifier };
    try {
      const { redirect_to: back } = await send("POST", "/oauth/authorize", { body });
      location.assign(back);
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== "login_incomplete") throw error;
      await beginCompleting(code, verifier, error.ids.missing.split(" "));
    }
  }

  async function beginCompleting(code, verifier, missing) {
    await redeem(code, verifier);
    lacksFactor = missing.includes("second_factor");
    if (missing.includes("password")) {
      Object.assign(login, { face: "new_password", withFactor: !lacksFactor });
    } else {
      await showApp();
    }
  }

  async function redeem(code, verifier) {
    const body = { grant_type: "authorization_code", code, code_verifier: verifier };
    const { access_token: token } = await send("POST", "/oauth/token", { body });
    bearer = { Authorization: `Bearer ${token}` };
  }

  const changePassword = ({ fresh, proof }) =>
    doing(async () => {
      const body = { old_password: password, new_password: fresh, ...proof };
      await send("POST", `${STAFF}/password`, { body, headers: bearer });
      password = fresh;
      if (!lacksFactor) return logIn({}, { notice: `新密码已生效。${NEXT_CODE}` });
      // The change ended every session, this one too.
      const verifier = newSecret();
      await redeem(await codeFor(verifier, {}), verifier);
      return showApp();
    });

  async function showApp() {
    login.app = await send("POST", `${STAFF}/second-factor/totp`, { headers: bearer });
    login.face = "app";
  }

  const confirmApp = (otp) =>
    doing(async () => {
      const path = `${STAFF}/second-factor/totp/confirm`;
      const { recovery_codes: codes } = await send("POST", path, { body: { otp }, headers: bearer });
      Object.assign(login, { face: "recovery_codes", recoveryCodes: codes, app: null });
    });

  const afterCodes = () =>
    doing(async () => {
      login.recoveryCodes = [];
      await logIn({}, { notice: `动态口令已绑定，请再登录一次。${NEXT_CODE}` });
    });

  function restart() {
    password = "";
    bearer = {};
    Object.assign(login, { face: "name", trouble: "", notice: "", app: null, recoveryCodes: [] });
  }

  async function lookAround() {
    await moveHome();
    login.demo = (await send("GET", "/oauth/device")).demo;
  }

  lookAround().catch(() => undefined); // the first request that matters says what is wrong
  return { login, enter, prove, changePassword, confirmApp, afterCodes, restart };
}

function requestInAddress() {
  const given = new URLSearchParams(location.search);
  const [clientId, requestUri] = [given.get("client_id"), given.get("request_uri")];
  return clientId && requestUri ? { clientId, requestUri } : null;
}

function wordsFor(error) {
  if (error instanceof Refused) {
    const until = error.retryAfterMs ? `${clockMinute(Date.now() + error.retryAfterMs)} 以后可以再试。` : "";
    return (error.detail || "没有办成，请重试。") + until;
  }
  return globalThis.isSecureContext
    ? "暂时连不上服务器，请稍后再试。"
    : "本页不是通过 https 打开的，浏览器不能安全登录。请改用 https 地址。";
}
