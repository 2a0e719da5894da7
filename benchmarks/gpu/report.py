"""The results of a check as a page of Markdown. Pure: from what gpu-check.json holds to text."""


def number(value, digits=0, factor=1.0):
    return "" if value is None else f"{value * factor:,.{digits}f}"


def answers(check):
    lines = ["| dtype | answers as on the CPU in f32 | F1 (CPU) | windows/s | forward s, of it on the card | device peak MB | J per 1,000 questions |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for row in check.get("rows", []):
        joules = row["card"].get("per_question_j")
        lines.append(f"| {row['dtype']} | {row['equal']} of {row['of']} | {row['f1']:.2f} ({row['cpu_f1']:.2f}) | {number(row['windows_per_s'])} | "
                     f"{number(row['forward_s'], 3)}, {number(row['device_s'], 3)} | {number(row['device_peak_bytes'], 0, 1e-6)} | {number(joules, 1, 1000)} |")
    return lines


def latency(check):
    if "latency_ms" not in check:
        return []
    of = check["latency_ms"]
    lines = [f"Bundled model in {check['dtype']}, of a question: p50 {of['p50']:.2f} ms, p99 {of['p99']:.2f} ms ({of['n']} questions).", "",
             "| filled up to tokens | windows | kernel by kernel ms | CUDA graph ms | used |", "| --- | --- | --- | --- | --- |"]
    for graph in check["graphs"]:
        used = "the graph" if graph["used"] else "kernel by kernel"
        lines.append(f"| {graph['tokens']} | {graph['windows']} | {graph['launched_ms']:.3f} | {graph['replayed_ms']:.3f} | {used} |")
    return lines


def speed(check):
    if "rows" not in check:
        return []
    lines = [f"{check['shape']} in {check['dtype']}, {check['windows']} windows: {check['best']['ratio']:.2f} x {check['best']['best_peer']}, "
             f"{number(check['flops_per_s'], 0, 1e-12)} TFLOP/s" + (f", {100 * check['of_peak']:.0f} % of the peak" if check["of_peak"] else ""), "",
             "| engine | windows/s | least to most | spanbench is | peak MB | how |", "| --- | --- | --- | --- | --- | --- |"]
    for row in check["rows"]:
        ratio = f"{row['spanbench_is_faster_by']:.2f} x" if row["spanbench_is_faster_by"] else ""
        lines.append(f"| {row['engine']} | {number(row['windows_per_s'])} | {number(row['least'])} to {number(row['most'])} | {ratio} | "
                     f"{number(row['peak_bytes'], 0, 1e-6)} | {row['how']} |")
    return lines


def markdown(result):
    card = result["machine"]["cards"][0]
    lines = [f"# spanbench {result['commit'][:12]} on {card['name']}", "",
             f"{result['date']}; driver {card['driver_version']}, CUDA {result['machine']['cuda']}, PyTorch {result['machine']['torch']}; `scripts/gpu-check`.", "",
             "| check | state | seconds | |", "| --- | --- | --- | --- |"]
    for check in result["checks"]:
        why = [line for line in check.get("why", "").splitlines() if line.strip()]
        more = f"{check['passed']} passed" if "passed" in check and not why else " ".join(why[-1:])
        lines.append(f"| {check['check']} | {check['state']} | {check['seconds']} | {more} |")
    for check in result["checks"]:
        if check["check"] == "answers":
            lines += ["", "## Answers of the bundled model", "", *answers(check)]
        elif check["check"] == "latency":
            lines += ["", "## Single questions, one after another", "", *latency(check)]
        elif check["check"] == "peak" and "flops_per_s" in check:
            peaks = ", ".join(f"{dtype} {number(flops, 0, 1e-12)} TFLOP/s" for dtype, flops in check["flops_per_s"].items())
            lines += ["", f"Peak of one product of {check['matrix']} x {check['matrix']} matrices (PyTorch): {peaks}."]
        elif check["check"].startswith("speed"):
            lines += ["", f"## Speed: {check['check'][6:]}", "", *speed(check)]
    return "\n".join(lines) + "\n"
