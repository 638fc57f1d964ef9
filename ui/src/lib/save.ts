/** Gives a file to whoever looks at the page. */
export function save(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 120) || "file";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
