// The simulated Alipay: wallet and payment code.
import { backstage } from "/phone/backstage.js";
import { openPhone } from "/phone/phone.js";
import { merchantBook, wallet } from "/phone/wallet.js";

const { home, code } = wallet({ codeField: "qr_code", codeHint: "https://qr.alipay.com/…" });

openPhone({
  screens: [home, code, backstage({ book: merchantBook })],
  note: {
    title: "用模拟支付宝付款",
    steps: ["开一个钱包。", "在自助机或收费窗口下一张支付宝订单。", "扫码或从列表里选它，点一下就付。"],
  },
});
