// The phones that messages were sent to.
import { backstage } from "/phone/backstage.js";
import { ask, empty, field, form, group, h, live, lookAround, press, say, tag, tell, when } from "/phone/parts.js";
import { openPhone } from "/phone/phone.js";

const KEY = "number";
const STATES = { on: "开机", off: "关机", vacant: "空号", blocked: "黑名单" };

const inbox = {
  name: "messages",
  title: "短信",
  draw: () => h("div", {}, live(phones, drawPhones), group("收到的短信", live(messages, drawMessages))),
};

async function phones() {
  const { items } = await ask("/phones");
  const chosen = localStorage.getItem(KEY);
  if (items.length > 0 && !items.some((one) => one.number === chosen)) localStorage.setItem(KEY, items[0].number);
  return { items, chosen: localStorage.getItem(KEY) };
}

function drawPhones({ items, chosen }) {
  const phone = items.find((one) => one.number === chosen);
  if (!phone) return empty("还没有号码收到过短信。医院发出第一条短信后，号码会出现在这里。");
  const numbers = h(
    "select",
    { "data-key": "number", onchange: (event) => { localStorage.setItem(KEY, event.target.value); void lookAround(); } },
    items.map((one) => h("option", { value: one.number, selected: one.number === chosen }, `${one.number}（${one.messages} 条）`)),
  );
  const states = h(
    "select",
    { "data-key": "state", onchange: (event) => change(chosen, event.target.value) },
    Object.entries(STATES).map(([state, words]) => h("option", { value: state, selected: state === phone.state }, words)),
  );
  return h("div", { class: "card" }, field("手机号", numbers), field("这部手机", states));
}

async function change(number, state) {
  await tell(`/phones/${number}`, { state }).then(() => say(`${number} ${STATES[state]}`), (error) => say(error.message));
}

async function messages() {
  const number = localStorage.getItem(KEY);
  return number ? (await ask(`/phones/${number}/messages`)).items : [];
}

function drawMessages(items) {
  if (items.length === 0) return empty("没有短信。");
  return h("ul", {}, items.map((message) =>
    h(
      "li",
      { class: "card bubble" },
      h("p", {}, message.content),
      h("div", { class: "spread" }, h("span", { class: "muted" }, when(message.sent_at)), report(message)),
    )));
}

function report(message) {
  if (message.report === null) return tag(message.arrived ? "已到，等回执" : "发送中", "attention");
  return message.arrived ? tag("已送达", "done") : tag(`未送达 ${message.report}`, "danger");
}

const templates = () => [
  group(
    "模板",
    live(() => ask("/templates"), ({ items }) => h("ul", {}, items.map(drawTemplate))),
  ),
  group("状态报告送到", reportForm()),
];

function drawTemplate(template) {
  const approved = template.status === "approved";
  const next = { ...template, status: approved ? "rejected" : "approved" };
  return h(
    "li",
    { class: "card" },
    h("div", { class: "spread" }, h("h3", {}, template.code), approved ? tag("已通过", "done") : tag("未通过", "danger")),
    h("p", {}, template.content),
    press(approved ? "改为不通过" : "通过", () => tell("/templates", next), { "data-key": template.code }),
  );
}

function reportForm() {
  const input = h("input", { name: "report_url", type: "url", placeholder: "不推送" });
  ask("/settings").then((told) => (input.value = told.report_url)).catch(() => say("读不到设置"));
  return form([field("医院的回执地址", input)], "保存", async (given) => {
    await tell("/settings", given);
    say("已保存");
  });
}

openPhone({
  screens: [inbox, backstage({ book: (told) => [["短信账户余额", told.credit_fen]], more: templates })],
  note: {
    title: "收医院的短信",
    steps: ["医院向任何手机号发短信。", "在上方选择号码，短信和回执都在这里。", "把手机关机，看医院怎么办。"],
  },
});
