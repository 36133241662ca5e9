// The insured: who they are, the code they show, what was settled for them.
import { backstage } from "/phone/backstage.js";
import { ask, empty, field, form, group, h, live, money, press, say, tag, tell, when } from "/phone/parts.js";
import { openPhone } from "/phone/phone.js";

const TYPES = { 310: "职工医保", 390: "居民医保" };
const codes = new Map();

const persons = {
  name: "persons",
  title: "参保人",
  draw: () => h("div", {}, group("参保人", live(insured, draw)), group("新的参保人", enrolForm())),
};

async function insured() {
  return { items: (await ask("/persons")).items, codes: Object.fromEntries(codes) };
}

function draw(told) {
  if (told.items.length === 0) return empty("还没有参保人。在下面登记一位。");
  return h("ul", {}, told.items.map(drawPerson));
}

function drawPerson(person) {
  const code = codes.get(person.psn_no);
  return h(
    "li",
    { class: "card" },
    h("div", { class: "spread" }, h("h3", {}, person.psn_name), tag(TYPES[person.insutype] ?? "参保", "done")),
    h("p", { class: "muted" }, [person.certno, person.psn_no].filter(Boolean).join(" · ")),
    person.account_fen === undefined ? null : h("p", {}, "个人账户 ", money(person.account_fen)),
    code ? h("output", { class: "code number" }, code) : null,
    press(code ? "换一个医保码" : "出示医保码", () => show(person), { "data-key": person.psn_no }),
  );
}

async function show(person) {
  const told = await tell(`/persons/${encodeURIComponent(person.psn_no)}/tokens`);
  codes.set(person.psn_no, told.token);
}

function enrolForm() {
  const kinds = Object.entries(TYPES).map(([value, words]) => h("option", { value }, words));
  return form(
    [
      field("姓名", h("input", { name: "name", required: true, maxlength: 50, autocomplete: "off" })),
      field("身份证号", h("input", { name: "certno", placeholder: "留空则编一个", maxlength: 18, autocomplete: "off" })),
      field("险种", h("select", { name: "insutype" }, kinds)),
    ],
    "登记",
    async ({ certno, ...given }, made) => {
      await tell("/persons", certno ? { ...given, certno } : given);
      made.reset();
      say("登记好了");
    },
    { class: "main" },
  );
}

const settlements = {
  name: "settlements",
  title: "结算",
  draw: () => h("div", {}, group("医保结算", live(() => ask("/settlements"), drawSettlements))),
};

const SHARES = [
  ["费用总额", "medfee_fen"],
  ["医保基金", "fund_fen"],
  ["个人账户", "account_fen"],
  ["本人现金", "cash_fen"],
];

function drawSettlements(told) {
  const { items } = told;
  if (items.length === 0) return empty("还没有医保结算。");
  return h("ul", {}, items.map((one) =>
    h(
      "li",
      { class: "card" },
      h("div", { class: "spread" }, h("h3", {}, one.psn_name), one.reversed_at ? tag("已退费") : tag("已结算", "done")),
      h("p", { class: "muted" }, `${one.setl_id} · ${when(one.at)}`),
      h("dl", {}, SHARES.map(([words, name]) => h("div", {}, h("dt", {}, words), h("dd", {}, money(one[name]))))),
    )));
}

const owes = (told) => [
  ["基金应付医院", told.owed.funds.net_fen],
  ["个人账户应付医院", told.owed.accounts.net_fen],
];

openPhone({
  screens: [persons, settlements, backstage({ book: owes, notifies: false })],
  note: {
    title: "用医保码就医",
    steps: ["登记一位参保人。", "出示医保码，把它交给医院。", "结算之后，统筹和个人账户的金额在“结算”里。"],
  },
});
