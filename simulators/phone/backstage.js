// Behind the scenes of any platform: what the merchant was told, the book, and faults to come.
import { ask, call, empty, field, form, group, h, live, money, press, say, tag, tell, when } from "/phone/parts.js";

const STATES = {
  pending: ["等待投递", "attention"],
  withheld: ["扣留", "attention"],
  overtaken: ["等后一条先到", "attention"],
  delivered: ["已确认", "done"],
  given_up: ["已放弃", "danger"],
};
const SHOWN = 20;

// book: draws what the platform's GET /book tells; more: sections of the platform's own; notifies: whether it sends any.
export function backstage({ book, more = () => [], notifies = true } = {}) {
  return {
    name: "backstage",
    title: "幕后",
    draw: () =>
      h(
        "div",
        {},
        book ? group("账本", live(() => ask("/book"), (told) => card(told, book))) : null,
        ...more(),
        notifies ? group("给医院的通知", noticeButtons(), live(notices, drawNotices)) : null,
        group("安排故障", faultForm(), live(() => ask("/faults"), drawArmed)),
      ),
  };
}

function card(told, book) {
  return h(
    "div",
    { class: "card" },
    h("dl", {}, book(told).map(([name, fen]) => h("div", {}, h("dt", {}, name), h("dd", {}, money(fen))))),
    h("p", {}, told.balanced ? tag("账平", "done") : tag("账不平", "danger")),
  );
}

async function notices() {
  return (await ask("/notices")).items.slice(-SHOWN).reverse();
}

function drawNotices(items) {
  if (items.length === 0) return empty("还没有通知。付款之后，平台会在这里记下告诉医院的每一次。");
  return h("ul", {}, items.map(drawNotice));
}

function drawNotice(notice) {
  const [words, tone] = STATES[notice.state] ?? [notice.state];
  const last = notice.deliveries.at(-1);
  return h(
    "li",
    { class: "card" },
    h("div", { class: "spread" }, h("h3", {}, notice.kind), tag(words, tone)),
    h("p", { class: "muted" }, `${notice.reference} · ${when(notice.created_at)}`),
    h("p", { class: "muted" }, last ? `第 ${notice.attempts} 次：${outcome(last)}` : "还没有投递"),
    press("再投递一次", () => tell(`/notices/${notice.id}/deliver`), { "data-key": `again-${notice.id}` }),
  );
}

function outcome(delivery) {
  const answer = delivery.status === null ? `没有应答 ${delivery.reply}` : `医院应答 ${delivery.status}`;
  return delivery.fault ? `${answer}（故障 ${delivery.fault}）` : answer;
}

function noticeButtons() {
  return h(
    "div",
    { class: "row" },
    press("马上投递", async () => say(`${(await tell("/notices/hurry")).due} 条通知即将投递`)),
    press("放行扣留的", async () => say(`放行 ${(await tell("/notices/release")).due} 条`)),
  );
}

function faultForm() {
  const choice = h("select", { name: "name", required: true }, h("option", { value: "" }, "请选择一种故障"));
  ask("/faults").then(({ known }) =>
    choice.append(...known.map((fault) => h("option", { value: fault.name }, `${fault.help}（${fault.name}）`))),
  ).catch(() => say("读不到故障列表，请稍后重新打开这一页"));
  return form(
    [
      field("故障", choice),
      h(
        "div",
        { class: "row" },
        field("次数", h("input", { name: "times", type: "number", min: 1, max: 10000, value: 1, required: true })),
        field("秒数（会等待的）", h("input", { name: "seconds", type: "number", min: 1, max: 3600, value: 12, required: true })),
      ),
      field("只对含有这段文字的", h("input", { name: "reference", placeholder: "不限，如订单号、手机号" })),
    ],
    "安排",
    async ({ name, times, seconds, reference }, made) => {
      await tell("/faults", { name, times: Number(times), seconds: Number(seconds), reference });
      made.reset();
      say("已安排，下一次合适的调用就会遇到");
    },
  );
}

function drawArmed({ armed, known }) {
  if (armed.length === 0) return empty("没有安排故障，一切正常。");
  const help = Object.fromEntries(known.map((fault) => [fault.name, fault.help]));
  return [
    h("ul", {}, armed.map((fault) => drawFault(fault, help))),
    press("全部撤销", () => call("DELETE", "/faults"), { "data-key": "disarm-all" }),
  ];
}

function drawFault(fault, help) {
  return h(
    "li",
    { class: "card" },
    h("div", { class: "spread" }, h("h3", {}, help[fault.name]), tag(`还有 ${fault.times} 次`, "attention")),
    h("p", { class: "muted" }, [fault.name, fault.endpoint, fault.reference].filter(Boolean).join(" · ")),
    press("撤销", () => call("DELETE", `/faults/${fault.id}`), { "data-key": `disarm-${fault.id}` }),
  );
}
