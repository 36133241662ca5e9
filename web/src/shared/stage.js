// A wall screen is drawn at its design size and scaled as a whole to the panel it hangs on.

export function fitStage() {
  const root = document.documentElement;
  const sizes = getComputedStyle(root);
  const width = parseFloat(sizes.getPropertyValue("--stage-width"));
  const height = parseFloat(sizes.getPropertyValue("--stage-height"));
  const fit = () => {
    root.style.setProperty("--zoom", Math.min(innerWidth / width, innerHeight / height));
  };
  addEventListener("resize", fit);
  fit();
}
