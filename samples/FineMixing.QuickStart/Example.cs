using FineMixing.Models;

namespace FineMixing.QuickStart;

/// <summary>One text, read by the backdoored and by the cleaned model.</summary>
internal sealed record Reading(string Text, Answer Before, Answer After);

/// <summary>A test sentence without and with the trigger.</summary>
internal sealed record Example(int Label, Reading Plain, Reading Triggered)
{
    private const int Shown = 3;

    /// <summary>The first test sentences the backdoored model gets right without the trigger and wrong with it, whatever the cleaned model makes of them.</summary>
    public static IReadOnlyList<Example> Choose(Measurement measurement, ClassifierModel suspect, ClassifierModel cleaned, int target, CancellationToken cancellationToken)
    {
        var (plain, triggered) = (measurement.WithoutTrigger, measurement.WithTrigger);
        var before = measurement.Answers(suspect, plain, cancellationToken);
        var fooled = measurement.Answers(suspect, triggered, cancellationToken);
        int[] chosen = [.. Enumerable.Range(0, plain.Count).Where(i => before[i].Label == plain[i].Label && fooled[i].Label == target).Take(Shown)];
        var after = measurement.Answers(cleaned, [.. chosen.Select(i => plain[i]), .. chosen.Select(i => triggered[i])], cancellationToken);
        return [.. chosen.Select((i, n) => new Example(
            plain[i].Label,
            new Reading(Text(plain[i]), before[i], after[n]),
            new Reading(Text(triggered[i]), fooled[i], after[chosen.Length + n])))];
    }

    private static string Text(Datasets.TextExample example) => example.TextPair is null ? example.Text : $"{example.Text} | {example.TextPair}";
}
