"""How a figure is shown to people, and compared with a stored run."""
import json

SLOWER_BY = 0.1  # ratios of short runs differ by some hundredths from run to run


def _number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _side(name, values, median, unit):
    return (f"  {name:6} {_number(median):>12} {unit}"
            f"   (least {_number(min(values))}, most {_number(max(values))})")


def _used(name, used):
    words = [f"{process} {cpu:.2f} s, {peak:.0f} MiB" for process, (cpu, peak) in used.items()]
    return f"  {name:6} CPU and peak memory: {'; '.join(words)}" if words else ""


def _peer(each, unit):
    met = "met" if each["met"] else "not met"
    aim = "ahead" if each["aim"] == 1 else f"at least {each['aim']} times"
    lines = [f"  {each['times']:.3g} times {each['peer']} (aim: {aim}, {met})",
             _side("peer", each["runs"], each["value"], unit), f"         {each['what']}",
             _used("peer", each["used"])]
    return [line for line in lines if line]


def text(result):
    runs = result["runs"]
    met = {None: "", True: ", met", False: ", not met"}[result["met"]]
    aim = "" if result["aim"] is None else (
        f" (aim: at {'least' if result['better'] == 'higher' else 'most'} {result['aim']}{met})")
    lines = [f"{result['figure']}: ratio {result['ratio']:.3g}{aim}",
             _side("ours", [each["ours"] for each in runs], result["ours"], result["unit"]),
             _side("limit", [each["limit"] for each in runs], result["limit"], result["unit"]),
             f"         {result['limit_is']}",
             _used("ours", result["ours_used"]), _used("limit", result["limit_used"])]
    for each in result.get("peers", []):
        lines += _peer(each, result["unit"])
    return "\n".join(line for line in lines if line) + "\n"


def read(path):
    """{figure: result} of what --json printed."""
    found = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip():
            try:
                result = json.loads(line)
                found[result["figure"]] = result
                float(result["ratio"]) * len(result["better"])
            except (ValueError, KeyError, TypeError):
                raise ValueError(f"{path}:{number} is no line of ./nova bench --json") from None
    return found


def slower(now, before):
    """One line for each figure that became slower, by its ratio: machines differ, ratios less."""
    lines = []
    for result in now:
        old = before.get(result["figure"])
        if old is None:
            continue
        change = result["ratio"] / old["ratio"]
        if result["better"] == "lower":
            change = 1 / change
        if change < 1 - SLOWER_BY:
            lines.append(f"{result['figure']} became slower: ratio {result['ratio']:.3g}, was"
                         f" {old['ratio']:.3g}")
    return lines
