using System.Globalization;
using System.Text;
using FineMixing.Evaluation;

namespace FineMixing.Experiments;

/// <summary>Turns results files into Markdown tables: one row a defence, mean and standard deviation over the seeds.</summary>
internal static class Tables
{
    public static string Render(IEnumerable<string> files)
    {
        var all = files.SelectMany(f => new ResultsFile(f).Read()).DistinctBy(m => m.Key).ToList();
        var text = new StringBuilder();
        foreach (var suspect in all.GroupBy(m => m.Suspect).OrderBy(g => Order(g.Key)).ThenBy(g => g.Key, StringComparer.Ordinal))
        {
            var first = suspect.First();
            text.Append(CultureInfo.InvariantCulture, $"### {suspect.Key}\n\n{first.Samples} test samples; ASR over {first.AttackSamples} samples of the other class.\n\n");
            text.Append("| defence | ACC | ASR | target rate without trigger | seeds |\n|---|---|---|---|---|\n");
            foreach (var defence in suspect.GroupBy(m => m.Defence).OrderBy(g => Order(g.Key)).ThenBy(g => g.Key, StringComparer.Ordinal))
            {
                var runs = defence.OrderBy(m => m.Seed).ToList();
                text.Append(CultureInfo.InvariantCulture, $"| {Title(defence.Key)} | {Percent(runs, m => m.Accuracy)} | {Percent(runs, m => m.AttackSuccessRate)} | {Percent(runs, m => m.TargetRateWithoutTrigger)} | {Seeds(runs)} |\n");
            }

            text.Append('\n');
        }

        return text.ToString();
    }

    private static string Percent(List<Measurement> runs, Func<Measurement, double> value)
    {
        var summary = SeedSummary.Of([.. runs.Select(m => 100 * value(m))]);
        return runs.Count == 1
            ? string.Create(CultureInfo.InvariantCulture, $"{summary.Mean:f1}")
            : string.Create(CultureInfo.InvariantCulture, $"{summary.Mean:f1} ± {summary.StandardDeviation:f1}");
    }

    private static string Seeds(List<Measurement> runs)
    {
        var seeds = runs.ConvertAll(m => m.Seed);
        return seeds.Count > 2 && seeds[^1] - seeds[0] == (ulong)seeds.Count - 1
            ? string.Create(CultureInfo.InvariantCulture, $"{seeds[0]} to {seeds[^1]}")
            : string.Join(", ", seeds);
    }

    private static string Title(string defence) => defence == "default" ? "**`finemix defend`, defaults**" : $"`{defence}`";

    private static int Order(string key)
    {
        string[] order = ["sst2-word", "sst2-sentence", "sst2-ep", "own-sst2", "own-qnli", "none", "fine-tuning", "fine-pruning", "fine-mixing:", "fine-mixing-sel", "mask-average", "distillation", "default"];
        var index = Array.FindIndex(order, o => key.StartsWith(o, StringComparison.Ordinal));
        return index < 0 ? order.Length : index;
    }
}
