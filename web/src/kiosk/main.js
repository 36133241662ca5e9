import { createApp } from "vue";
import "../shared/base.css";
import "./face.css";
import { readAddress } from "../shared/device.js";
import { fitStage } from "../shared/stage.js";
import Kiosk from "./Kiosk.vue";

readAddress();
fitStage();
createApp(Kiosk).mount("#app");
