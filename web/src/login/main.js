import { createApp } from "vue";
import "../shared/base.css";
import "./sheet.css";
import LoginPage from "./LoginPage.vue";

createApp(LoginPage).mount("#app");
