// The patient's electronic bills, as the fiscal platform keeps them.
import { backstage } from "/phone/backstage.js";
import { ask, empty, field, form, group, h, live, money, press, say, tag, tell, when } from "/phone/parts.js";
import { openPhone } from "/phone/phone.js";

const SHOWN = 30;
const PAGE = 500;

const bills = {
  name: "bills",
  title: "票夹",
  draw: () => h("div", {}, group("电子票据", live(latest, draw))),
};

// Bills are listed from the first on: what was read once is only looked at again in its last page.
let after = 0;
async function latest() {
  for (;;) {
    const { items, next } = await ask(`/bills?after=${after}&limit=${PAGE}`);
    if (next === null) return items.slice(-SHOWN).reverse();
    const following = await ask(`/bills?after=${next}&limit=${PAGE}`);
    if (following.items.length === 0) return items.slice(-SHOWN).reverse();
    after = next;
  }
}

function draw(items) {
  if (items.length === 0) return empty("还没有票据。缴费之后，医院开具的电子票据会出现在这里。");
  return h("ul", {}, items.map(drawBill));
}

function drawBill(bill) {
  return h(
    "li",
    { class: "card" },
    h("div", { class: "spread" }, h("h3", {}, bill.billName), money(bill.total_fen, "large")),
    h("p", { class: "muted" }, `${bill.payer} · ${when(bill.created_at)} · ${bill.billNo}`),
    h("p", {}, state(bill)),
    h(
      "div",
      { class: "row" },
      h("a", { class: "button", href: bill.picture_url, target: "_blank", rel: "noreferrer", "data-key": `see-${bill.billNo}` }, "打开票据"),
      bill.is_red || bill.state === "2" ? null : reimbursing(bill),
    ),
  );
}

function state(bill) {
  if (bill.is_red) return tag("红字票据", "danger");
  if (bill.state === "2") return tag("已冲红", "danger");
  if (bill.fileState === "0") return tag("生成中", "attention");
  if (bill.reimburseState === "1") return tag("已报销入账");
  return bill.isPrtPaper === "1" ? tag(`已换开纸质票 ${bill.pBillNo}`) : tag("正常", "done");
}

function reimbursing(bill) {
  const reimbursed = bill.reimburseState !== "1";
  const path = `/bills/${bill.billBatchCode}/${bill.billNo}/reimbursement`;
  return press(reimbursed ? "拿去报销" : "退回报销", () => tell(path, { reimbursed }), { "data-key": bill.billNo });
}

const stock = () => [
  group("票号库存", live(() => ask("/stock"), ({ items }) => h("ul", {}, items.map(drawBatch)))),
];

function drawBatch(batch) {
  const left = h("input", { name: "left", type: "number", min: 0, max: 1000000, value: batch.left, required: true, "data-key": batch.code });
  return h(
    "li",
    { class: "card" },
    h("div", { class: "spread" }, h("h3", {}, batch.name), tag(`还有 ${batch.left} 张`, batch.left ? "done" : "danger")),
    form([field(`${batch.code} 剩余`, left)], "设定", async (given) => {
      await tell("/stock", { code: batch.code, left: Number(given.left) });
      say("已设定");
    }),
  );
}

openPhone({
  screens: [bills, backstage({ book: (told) => [["已开票净额", told.billed_fen]], more: stock })],
  note: {
    title: "看电子票据",
    steps: ["缴费之后，医院开具电子票据。", "打开票据，核对金额和监制章。", "“拿去报销”之后，医院就不能冲红了。"],
  },
});
