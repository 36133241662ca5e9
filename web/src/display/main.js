import { createApp } from "vue";
import "../shared/base.css";
import { readAddress } from "../shared/device.js";
import { fitStage } from "../shared/stage.js";
import Display from "./Display.vue";

readAddress();
fitStage();
createApp(Display).mount("#app");
