import { createApp } from "vue";
import "../shared/base.css";
import "../login/sheet.css";
import SignedInPage from "./SignedInPage.vue";

createApp(SignedInPage).mount("#app");
