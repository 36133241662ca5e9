import { createApp } from "vue";
import "../shared/base.css";
import { enrol } from "../shared/device.js";
import { fitStage } from "../shared/stage.js";
import Display from "./Display.vue";

enrol();
fitStage();
createApp(Display).mount("#app");
