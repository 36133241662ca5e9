// A platform that has no screens of its own: behind the scenes only.
import { backstage } from "/phone/backstage.js";
import { openPhone } from "/phone/phone.js";

openPhone({
  screens: [backstage()],
  note: { title: document.body.dataset.title, steps: ["在“幕后”查看通知、安排故障。"] },
});
