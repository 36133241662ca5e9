// The simulated WeChat: wallet, payment code, subscription messages.
import { backstage } from "/phone/backstage.js";
import { askIfKnown, empty, group, h, live, when } from "/phone/parts.js";
import { openPhone } from "/phone/phone.js";
import { merchantBook, wallet } from "/phone/wallet.js";

const { home, code, at } = wallet({ codeField: "code_url", codeHint: "weixin://wxpay/bizpayurl?pr=…" });

const messages = {
  name: "messages",
  title: "消息",
  draw: () => h("div", {}, group("服务通知", live(received, draw))),
};

async function received() {
  return localStorage.getItem("payer") ? ((await askIfKnown(at("/messages")))?.items ?? []) : [];
}

function draw(items) {
  if (items.length === 0) return empty("还没有收到服务通知。在小程序里同意订阅之后，医院的通知会到这里。");
  return h("ul", {}, items.map((message) =>
    h(
      "li",
      { class: "card" },
      h("p", { class: "muted" }, `${when(message.sent_at)} · 模板 ${message.template_id}`),
      h("dl", {}, Object.entries(message.data).map(([name, word]) => h("div", {}, h("dt", {}, name), h("dd", {}, word)))),
      message.page ? h("p", { class: "muted" }, `打开 ${message.page}`) : null,
    )));
}

openPhone({
  screens: [home, code, messages, backstage({ book: merchantBook })],
  note: {
    title: "用模拟微信付款",
    steps: ["开一个钱包。", "在自助机或收费窗口下一张微信订单。", "订单出现在“等您付款”，点一下就付。"],
  },
});
