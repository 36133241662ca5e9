import { createApp } from "vue";
import "../shared/base.css";
import "./face.css";
import { enrol } from "../shared/device.js";
import { fitStage } from "../shared/stage.js";
import Kiosk from "./Kiosk.vue";

enrol();
fitStage();
createApp(Kiosk).mount("#app");
