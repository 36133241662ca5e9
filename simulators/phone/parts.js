// What every screen is made of: elements, money, time, calls, and regions that stay live.

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

export function yuan(fen) {
  const sign = fen < 0 ? "-" : "";
  const [whole, cents] = (Math.abs(fen) / 100).toFixed(2).split(".");
  return `${sign}¥${whole.replace(/\B(?=(\d{3})+$)/g, ",")}.${cents}`;
}

const DAY = new Intl.DateTimeFormat("zh-CN", { timeZone: "Asia/Shanghai", month: "numeric", day: "numeric" });
const HOUR = new Intl.DateTimeFormat("zh-CN", {
  timeZone: "Asia/Shanghai",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const SECOND = new Intl.DateTimeFormat("zh-CN", { timeZone: "Asia/Shanghai", timeStyle: "medium", hourCycle: "h23" });

let businessNow = new Date();

export function when(instant) {
  const at = new Date(instant);
  const today = DAY.format(at) === DAY.format(businessNow);
  return `${today ? "今天" : DAY.format(at)} ${HOUR.format(at)}`;
}

export const short = (text) => (text.length > 16 ? `${text.slice(0, 6)}…${text.slice(-4)}` : text);

// The platform refused: its words are for people. Lost: nothing answered.
export class Refused extends Error {
  constructor(status, told) {
    super(told.message || "这个操作没有成功，请重试");
    this.status = status;
    this.code = told.code;
  }
}
export class Lost extends Error {}

// Looking must not hang for long; a payment is worth waiting for.
const LOOK_WITHIN_MS = 4000;
const ACT_WITHIN_MS = 15000;

export async function call(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(method === "GET" ? LOOK_WITHIN_MS : ACT_WITHIN_MS),
      cache: "no-store",
    });
  } catch {
    throw new Lost();
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, told);
  return told;
}

export const ask = (path) => call("GET", path);
export const tell = (path, body = {}) => call("POST", path, body);

// What the platform may not have: null. A path that it does not know is not asked for again until the
// page is opened anew; a thing that is missing (its refusal has a code of the platform's own) may come.
const unknown = new Set();

export async function askIfKnown(path) {
  if (unknown.has(path)) return null;
  try {
    return await ask(path);
  } catch (error) {
    if (!(error instanceof Refused && NOT_THERE.includes(error.status))) throw error;
    if (!error.code) unknown.add(path);
    return null;
  }
}

const NOT_THERE = [404, 405];
export const isUnknown = (error) => error instanceof Refused && NOT_THERE.includes(error.status) && !error.code;

// A part of a screen that is drawn again only when what it shows has changed. Focus stays by data-key.
export function live(load, draw) {
  const host = h("div", { class: "group live" });
  let shown;
  host.look = async () => {
    const found = await load();
    const told = JSON.stringify(found);
    if (told === shown) return;
    shown = told;
    const key = host.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    const open = [...host.querySelectorAll("details[open][data-key]")].map((one) => one.dataset.key);
    host.replaceChildren(...[draw(found)].flat().filter(Boolean));
    for (const name of open) host.querySelector(`details[data-key="${CSS.escape(name)}"]`)?.setAttribute("open", "");
    if (key) host.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  };
  return host;
}

export const group = (title, ...children) => h("section", { class: "group" }, h("h2", {}, title), ...children);
export const empty = (words) => h("p", { class: "empty" }, words);
export const tag = (words, tone = "") => h("span", { class: `tag ${tone}` }, words);
export const money = (fen, size = "") => h("span", { class: `money ${size}` }, yuan(fen));

// One press, one call: the button rests while it works, and says what went wrong.
export function press(words, act, props = {}) {
  const button = h("button", { type: "button", ...props }, words);
  button.addEventListener("click", () => busy(button, act));
  return button;
}

export function form(fields, words, act, props = {}) {
  const button = h("button", { type: "submit", ...props }, words);
  const made = h("form", {}, fields, button);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(button, () => act(Object.fromEntries(new FormData(made)), made));
  });
  return made;
}

export const field = (label, control) => h("label", {}, label, control);

async function busy(button, act) {
  if (button.disabled) return;
  button.disabled = true;
  try {
    await act();
    await lookAround();
  } catch (error) {
    say(error instanceof Lost ? "没有送到：连不上模拟器。请看画面顶部的提示。" : error.message);
    if (!(error instanceof Lost || error instanceof Refused)) throw error;
  } finally {
    button.disabled = false;
  }
}

let phone;

export const setPhone = (made) => (phone = made);
export const lookAround = () => phone.look();
export const say = (words) => phone.say(words);

export function tick(instant) {
  businessNow = new Date(instant);
  return HOUR.format(businessNow);
}
export const exact = (instant) => SECOND.format(new Date(instant));
