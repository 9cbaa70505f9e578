using FineMixing.Reports.Charts;

namespace FineMixing.Experiments;

/// <summary>Draws results files: attack success against accuracy, one picture a suspect.</summary>
internal static class TradeOffCharts
{
    // The defences that are drawn, by the text of their runs without the ratio.
    private static readonly (string Family, string Name)[] Drawn =
    [
        ("default", "finemix defend"),
        ("none", "no defence"),
        ("fine-tuning", "fine-tuning"),
        ("fine-mixing", "Fine-mixing, by reserve ratio"),
        ("fine-mixing+epur", "Fine-mixing + E-PUR"),
        ("fine-mixing:reset-top:3", "Fine-mixing, upper layers reset"),
        ("fine-pruning-f", "fine-pruning (F)"),
    ];

    public static IReadOnlyDictionary<string, TradeOffChart> Create(IEnumerable<string> files)
    {
        var all = files.SelectMany(f => new ResultsFile(f).Read()).DistinctBy(m => m.Key).ToList();
        return all.GroupBy(m => m.Suspect).ToDictionary(g => g.Key, g => Chart(g.Key, [.. g]));
    }

    private static TradeOffChart Chart(string suspect, List<Measurement> runs)
    {
        var families = runs.ToLookup(m => Family(m.Defence).Name);
        return new TradeOffChart
        {
            Title = $"{suspect}: what each defence pays for what it removes",
            Caption = "Mean and standard deviation over the seeds; numbers are reserve ratios. Bottom right is best.",
            Floor = runs.Find(m => m.Defence == "none")?.TargetRateWithoutTrigger,
            Defences = [.. Drawn.Where(d => families.Contains(d.Family)).Select(d => new TradeOff(d.Name, [.. families[d.Family].GroupBy(m => m.Defence).OrderBy(g => g.Key, StringComparer.Ordinal).Select(Point)]))],
        };
    }

    private static TradeOffPoint Point(IGrouping<string, Measurement> runs) =>
        new(Family(runs.Key).Ratio, Spread(runs.Select(m => m.Accuracy)), Spread(runs.Select(m => m.AttackSuccessRate)));

    private static Rate Spread(IEnumerable<double> values)
    {
        var summary = Evaluation.SeedSummary.Of([.. values]);
        return new Rate(summary.Mean, Math.Max(0, summary.Mean - summary.StandardDeviation), Math.Min(1, summary.Mean + summary.StandardDeviation));
    }

    private static (string Name, string Ratio) Family(string defence)
    {
        var purify = defence.EndsWith("+epur", StringComparison.Ordinal) ? "+epur" : "";
        var parts = defence[..^purify.Length].Split(':', 3);
        return (parts[0] + (parts.Length == 3 ? ":" + parts[2] : "") + purify, parts.Length > 1 ? parts[1] : "");
    }
}
