// A wallet: whose it is, what waits to be paid, the cashier, and the code a cashier's scanner reads.
import {
  ask, askIfKnown, empty, field, form, group, h, isUnknown, live, Lost, lookAround, money, press, Refused, say, short, tag, tell, when, yuan,
} from "/phone/parts.js";

const KEY = "payer";

export function wallet({ codeField, codeHint }) {
  const at = (path) => `/payers/${encodeURIComponent(localStorage.getItem(KEY))}${path}`;

  const home = {
    name: "pay",
    title: "付款",
    draw: () =>
      h(
        "div",
        {},
        live(payers, drawPayer),
        group("等您付款", live(waiting, drawWaiting)),
        group("扫一扫", scanForm()),
        group("最近的付款", live(paid, drawPaid)),
      ),
  };
  const code = {
    name: "code",
    title: "付款码",
    draw: () =>
      h(
        "div",
        {},
        group("付款码", drawCode()),
        group("等您输入密码", live(confirmations, drawConfirmations)),
      ),
  };

  async function payers() {
    const { items } = await ask("/payers");
    const chosen = localStorage.getItem(KEY);
    if (items.length > 0 && !items.some((one) => one.id === chosen)) localStorage.setItem(KEY, items[0].id);
    if (items.length === 0) localStorage.removeItem(KEY);
    return { items: items.map(({ id, balance_fen }) => ({ id, balance_fen })), chosen: localStorage.getItem(KEY) };
  }

  function drawPayer({ items, chosen }) {
    const mine = items.find((one) => one.id === chosen);
    const open = press("开一个新钱包", openWallet, { class: mine ? "" : "main", "data-key": "open" });
    if (!mine) {
      return h("div", { class: "card" }, h("h2", {}, "还没有钱包"), h("p", {}, "开一个，里面有 1,000,000 元模拟金。"), open);
    }
    const choice = h(
      "select",
      { "data-key": "payer", onchange: (event) => choose(event.target.value) },
      items.map((one) => h("option", { value: one.id, selected: one.id === chosen }, short(one.id))),
    );
    return h(
      "div",
      { class: "card" },
      h("div", { class: "spread" }, h("span", { class: "muted" }, "余额"), h("span", { class: "money large", "data-testid": "balance" }, yuan(mine.balance_fen))),
      field("付款人", choice),
      h("details", { "data-key": "ids" }, h("summary", {}, "编号与新钱包"), h("p", { class: "number" }, mine.id), open),
    );
  }

  async function openWallet() {
    choose((await tell("/payers")).id);
    say("开好了，可以付款了");
  }

  function choose(id) {
    localStorage.setItem(KEY, id);
    void lookAround();
  }

  const seen = () => (localStorage.getItem(KEY) ? askIfKnown(at("/phone")) : null);
  async function waiting() {
    const told = await seen();
    return told && { orders: told.orders, codes: told.codes };
  }
  async function paid() {
    return (await seen())?.paid ?? [];
  }

  function drawWaiting(told) {
    if (!told || told.orders.length + told.codes.length === 0) {
      return empty("没有等待付款的订单。在自助机、小程序或收费窗口下单，订单会自己出现在这里。");
    }
    const mine = told.orders.map((order) => drawOrder(order, "发给您的", () => cashier(order, { out_trade_no: order.out_trade_no })));
    const codes = told.codes.map((order) => drawOrder(order, "二维码", () => scan(order.code)));
    return h("ul", { "data-testid": "waiting" }, mine, codes);
  }

  function drawOrder(order, kind, act) {
    return h(
      "li",
      { class: "card" },
      h("div", { class: "spread" }, h("h3", {}, order.description), money(order.amount_fen, "large")),
      h("p", { class: "muted" }, [kind, short(order.out_trade_no), order.created_at && when(order.created_at)].filter(Boolean).join(" · ")),
      press("查看并付款", act, { "data-key": `pay-${order.out_trade_no}` }),
    );
  }

  function drawPaid(items) {
    if (items.length === 0) return empty("这位付款人还没有付过款。");
    return h("ul", {}, items.map((order) =>
      h(
        "li",
        { class: "card" },
        h("div", { class: "spread" }, h("h3", {}, order.description), money(order.amount_fen)),
        h("p", { class: "muted" }, `${when(order.paid_at)} · ${short(order.out_trade_no)}`),
        order.refunded_fen > 0 ? h("p", {}, tag(`已退 ${yuan(order.refunded_fen)}`, "attention")) : null,
      )));
  }

  function scanForm() {
    const input = h("input", { name: "code", required: true, placeholder: codeHint, autocomplete: "off", spellcheck: "false" });
    return form([field("二维码里的内容", input)], "扫码", async ({ code }, made) => {
      await scan(code.trim());
      made.reset();
    });
  }

  async function scan(text) {
    const by = { [codeField]: text };
    cashier(await tell(at("/scans"), by), by);
  }

  // The cashier: an amount, and three ways out. An order without a code is paid by its number.
  function cashier(order, by) {
    const isTap = "out_trade_no" in by;
    const sheet = openSheet([
      h("h2", {}, "付款给医院"),
      h("p", {}, order.description),
      money(order.amount_fen, "hero"),
      h("p", { class: "muted number" }, order.out_trade_no),
    ]);
    const pay = () => tell(at(isTap ? "/taps" : "/payments"), by);
    const refuse = () => (isTap ? null : tell(at("/abandonments"), by));
    sheet.add(
      press("确认付款", () => sheet.end(pay, "付款成功", order.amount_fen), { class: "main" }),
      press("拒绝付款", () => sheet.end(refuse, "没有付款", 0), { class: "danger" }),
      press("先不付，走开", async () => sheet.close()),
    );
  }

  function drawCode() {
    let lapse;
    const place = h("div", { class: "card", "data-testid": "auth-code" }, h("p", {}, "给收银员扫的数字，一分钟内用一次。"));
    const button = press("显示付款码", async () => {
      const told = await codeOf();
      if (told === null) {
        place.replaceChildren(h("p", {}, "这个平台还没有付款码。"));
        return;
      }
      const digits = told.auth_code.replace(/(\d{4})(?=\d)/g, "$1 ");
      place.replaceChildren(
        h("output", { class: "code" }, digits),
        h("p", { class: "muted" }, `${told.expires_in} 秒内有效，只能用一次。`),
        press("复制", () => navigator.clipboard.writeText(told.auth_code).then(() => say("已复制"))),
        button,
      );
      button.textContent = "换一个";
      button.classList.remove("main");
      clearTimeout(lapse);
      lapse = setTimeout(() => place.replaceChildren(h("p", {}, "刚才的付款码过期了。"), button), told.expires_in * 1000);
    }, { class: "main" });
    place.append(button);
    return place;
  }

  async function codeOf() {
    if (!localStorage.getItem(KEY)) throw new Refused(404, { message: "请先到“付款”页开一个钱包" });
    try {
      return await tell(at("/payment-codes"));
    } catch (error) {
      if (isUnknown(error)) return null;
      throw error;
    }
  }

  async function confirmations() {
    return localStorage.getItem(KEY) ? ((await askIfKnown(at("/confirmations")))?.items ?? []) : [];
  }

  function drawConfirmations(items) {
    if (items.length === 0) return empty("没有等待确认的扣款。超过免密额度的付款码会在这里要密码。");
    return h("ul", {}, items.map((order) => {
      const by = { out_trade_no: order.out_trade_no };
      return h(
        "li",
        { class: "card" },
        h("div", { class: "spread" }, h("h3", {}, order.description), money(order.amount_fen, "large")),
        h(
          "div",
          { class: "row" },
          press("确认付款", async () => { await tell(at("/confirmations"), by); say("付款成功"); }, { class: "main", "data-key": `yes-${order.out_trade_no}` }),
          press("拒绝", async () => { await tell(at("/refusals"), by); say("没有付款"); }, { class: "danger", "data-key": `no-${order.out_trade_no}` }),
        ),
      );
    }));
  }

  return { home, code, at };
}

function openSheet(content) {
  const body = h("div", { class: "sheet" }, content);
  const dialog = h("dialog", { "aria-label": "收银台", onclose: () => dialog.remove() }, body);
  document.body.append(dialog);
  dialog.showModal();
  return {
    add: (...more) => body.append(...more),
    close: () => dialog.close(),
    async end(act, words, fen) {
      let tone = fen ? "" : "attention";
      try {
        await act();
      } catch (error) {
        if (!(error instanceof Refused || error instanceof Lost)) throw error;
        [words, fen, tone] = [error instanceof Lost ? "没有收到结果，请到最近的付款核对" : error.message, 0, "danger"];
      }
      const done = press("完成", async () => dialog.close(), { class: "main" });
      body.replaceChildren(...[
        h("p", { class: `mark ${tone}`, "aria-hidden": "true" }, tone === "" ? "✓" : tone === "danger" ? "!" : "–"),
        h("p", { role: "status" }, words),
        fen ? money(fen, "hero") : null,
        done,
      ].filter(Boolean));
      done.focus();
    },
  };
}

export const merchantBook = ({ merchant }) => [
  ["医院收款", merchant.paid_fen],
  ["已退款", merchant.refunded_fen],
  ["退款途中", merchant.refunding_fen],
  ["医院余额", merchant.balance_fen],
];
