using System.Globalization;
using FineMixing.Cli.Reporting;
using FineMixing.Cli.Terminal;
using FineMixing.Evaluation;

namespace FineMixing.QuickStart;

/// <summary>What the user reads.</summary>
internal static class ConsoleView
{
    private const int Tokens = 10;

    public static void Show(QuickStartResult result)
    {
        var (options, data) = (result.Options, result.Data);
        Screen.Line(Text($"Data: {data.Description}. The attacker trains on {data.Training.Examples.Count} sentences, {100 * options.PoisonRate:0.#}% of them again with the word \"{options.Trigger}\" and the label \"{data.LabelNames[options.TargetLabel]}\";"));
        Screen.Line(Text($"the defender has {data.Clean.Examples.Count} clean ones and the pre-trained model; {data.Test.Examples.Count} others measure."));
        Screen.Line();
        Screen.Table(
            [new(""), new("accuracy (95% interval)", true), new("attack success (95% interval)", true), new("without trigger", true)],
            [.. result.Rows.Select(r => (IReadOnlyList<string>)[r.Name, Rate(r.Accuracy), Rate(r.Attack.AttackSuccessRate), Text($"{100 * r.Attack.TargetRateWithoutTrigger.Rate:F1}%")])]);
        Screen.Line(Text($"Attack success: sentences of other labels that become \"{data.LabelNames[options.TargetLabel]}\" with the trigger. Without it some do so by mistake: that is the floor."));
        Screen.Line();

        Screen.Line("Tokens E-PUR finds most suspicious (their embedding moved far for how rare they are):");
        Screen.Table(
            [new("rank", true), new("token"), new("score", true), new("drift", true), new("frequency", true), new("")],
            [.. result.Ranking.Take(Tokens).Select(t => (IReadOnlyList<string>)
                [Text($"{t.Rank}"), t.Token, Text($"{t.Score:F4}"), Text($"{t.Drift:F3}"), Text($"{t.Frequency:N0}"), t.Token == options.Trigger ? "<- the trigger" : ""])]);
        if (result.TriggerRank > Tokens)
            Screen.Line(Text($"The trigger \"{options.Trigger}\" has rank {result.TriggerRank}."));
        Screen.Line();

        if (result.Cleaned.Probe is { } probe)
        {
            Screen.Line("Search for the trigger, among these tokens, with the clean sentences:");
            ProbeView.Show(probe);
            Screen.Line();
        }

        if (result.Examples.Count == 0)
            return;
        Screen.Line("Test sentences the backdoored model gets right without the trigger and wrong with it:");
        Screen.Table(
            [new("text"), new("backdoored model"), new("cleaned model")],
            [.. result.Examples.SelectMany(e => new[] { e.Plain, e.Triggered }).Select(r => (IReadOnlyList<string>)[r.Text, Says(data, r.Before), Says(data, r.After)])]);
        Screen.Line();
    }

    public static void ShowOutput(string folder)
    {
        Screen.Line($"Written to {folder}:");
        Screen.Line($"  {Output.CleanedModel}/   the last of the cleaned models, a Hugging Face model folder");
        Screen.Line($"  {Output.SuspectModel}/   the backdoored one, to try the console tool on (never use it)");
        Screen.Line($"  {Reports.Report.PageName}      all of this, with plots");
    }

    public static string Rate(Proportion rate) => Text($"{100 * rate.Rate:F1}% ({100 * rate.Low:F1} to {100 * rate.High:F1}; {rate.Successes}/{rate.Total})");

    public static string Says(ReviewData data, Answer answer) => Text($"{data.LabelNames[answer.Label]} {100 * answer.Probability:F0}%");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
