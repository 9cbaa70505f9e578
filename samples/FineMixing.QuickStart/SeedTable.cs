using System.Globalization;
using FineMixing.Cli.Terminal;
using FineMixing.Evaluation;

namespace FineMixing.QuickStart;

/// <summary>The same run over several seeds: mean and spread of every figure.</summary>
internal static class SeedTable
{
    public static void Show(IReadOnlyList<QuickStartResult> results)
    {
        var rows = results.SelectMany(r => r.Rows).GroupBy(r => r.Name);
        Screen.Table(
            [new(""), new("accuracy", true), new("attack success", true), new("without trigger", true)],
            [.. rows.Select(g => (IReadOnlyList<string>)
                [g.Key, Spread(g.Select(r => r.Accuracy.Rate)), Spread(g.Select(r => r.Attack.AttackSuccessRate.Rate)), Spread(g.Select(r => r.Attack.TargetRateWithoutTrigger.Rate))])]);
        Screen.Line(string.Create(CultureInfo.InvariantCulture, $"Percent, mean and standard deviation over {results.Count} seeds. Rank of the trigger: {string.Join(", ", results.Select(r => r.TriggerRank))}. Found and removed: {string.Join("; ", results.Select(r => r.Cleaned.Probe is { Removed.IsEmpty: false } probe ? probe.RemovedText : "nothing"))}."));
    }

    public static object Figures(IReadOnlyList<QuickStartResult> results) => new { runs = results.Select(QuickStart.Figures.Of) };

    private static string Spread(IEnumerable<double> rates)
    {
        var summary = SeedSummary.Of([.. rates.Select(r => 100 * r)]);
        return string.Create(CultureInfo.InvariantCulture, $"{summary.Mean:F1} ± {summary.StandardDeviation:F1}");
    }
}
