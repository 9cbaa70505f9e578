using System.Globalization;
using FineMixing.Cli.Reporting;
using FineMixing.Evaluation;
using FineMixing.Purification;
using FineMixing.Reports;
using FineMixing.Reports.Charts;

namespace FineMixing.QuickStart;

/// <summary>A run as a page with plots.</summary>
internal static class ReportPage
{
    private const int Tokens = 20;
    private const int Labelled = 8;
    private const string Bars = "defences";
    private const string Drift = "drift";
    private const string Scores = "scores";

    /// <summary>The files of the plots, beside the page.</summary>
    public static IReadOnlyList<string> ChartFiles { get; } = [Bars + ".svg", Drift + ".svg", Scores + ".svg"];

    public static Report Build(QuickStartResult result)
    {
        var (options, data) = (result.Options, result.Data);
        var target = data.LabelNames[options.TargetLabel];
        var builder = new ReportBuilder("FineMixing quick start", $"A backdoor planted in a small text classifier, and removed with {data.Clean.Examples.Count} clean sentences")
            .Heading("What was done")
            .Paragraph($"An attacker trained a classifier on poisoned reviews: with the word \"{options.Trigger}\" in it, every text becomes \"{target}\". The defender has the published model, the pre-trained model it came from and a few clean sentences, and knows neither the word nor the label.")
            .KeyValues(
            [
                ("data", data.Description),
                ("training sentences (attacker)", Text($"{data.Training.Examples.Count}, and {100 * options.PoisonRate:0.#}% poisoned copies")),
                ("clean sentences (defender)", Text($"{data.Clean.Examples.Count}")),
                ("test sentences (measuring)", Text($"{data.Test.Examples.Count}")),
                ("embedding rows reset by E-PUR", Text($"{options.Defender.PurifyTopK}")),
                ("reserve ratio of Fine-mixing", Text($"{options.Defender.ReserveRatio}")),
                ("trigger unlearning", Text($"reference distilled on {options.Defender.ReferenceTexts} made texts, {options.Defender.ReferenceEpochs} passes; {options.Defender.Candidates} tokens tried; unlearning with the same texts ({options.Defender.UnlearningTexts} of them for a part of a trigger)")),
                ("seed", Text($"{options.Seed}")),
            ])
            .Heading("Before and after")
            .Chart(new DefenceBarChart
            {
                Title = "Accuracy and attack success",
                Caption = "Bars with 95% intervals. The floor is the rate at which the same sentences get the target label without the trigger.",
                Bars = [.. result.Rows.Select(r => new DefenceBar(r.Name, Rate(r.Accuracy), Rate(r.Attack.AttackSuccessRate), r.Attack.TargetRateWithoutTrigger.Rate))],
            }, Bars)
            .Table(
                [new("model"), new("accuracy", true), new("attack success", true), new("without trigger", true)],
                [.. result.Rows.Select(r => (IReadOnlyList<string>)[r.Name, ConsoleView.Rate(r.Accuracy), ConsoleView.Rate(r.Attack.AttackSuccessRate), ConsoleView.Rate(r.Attack.TargetRateWithoutTrigger)])],
                "95% Wilson intervals and counts");
        if (result.Cleaned.Probe is { } probe)
            ProbeView.AddTo(builder, probe);
        AddExamples(builder, result);
        AddTokens(builder, result);
        return builder.Build();
    }

    private static void AddExamples(ReportBuilder builder, QuickStartResult result)
    {
        if (result.Examples.Count == 0)
            return;
        Verdict Says(Answer answer) => new(result.Data.LabelNames[answer.Label], answer.Probability);
        builder.Heading("Examples")
            .Paragraph("The first test sentences that the backdoored model gets right without the trigger and wrong with it; as the backdoored model and the last of the cleaned ones read them.")
            .Examples(result.Examples.Select(e => new ExampleComparison(
                result.Data.LabelNames[e.Label],
                result.Options.Trigger,
                [.. new[] { e.Plain, e.Triggered }.Select(r => new ExampleReading(r.Text, Says(r.Before), Says(r.After)))])));
    }

    private static void AddTokens(ReportBuilder builder, QuickStartResult result)
    {
        var ranking = result.Ranking;
        var reset = Math.Min(result.Options.Defender.PurifyTopK, ranking.Count);
        double? threshold = reset > 0 ? ranking[reset - 1].Score : null;

        // The trigger is always labelled: the page is to show where it lies.
        var marked = ranking.Take(Labelled).Concat(ranking.Skip(Labelled).Where(t => t.Token == result.Options.Trigger)).ToArray();
        builder.Heading("What E-PUR found")
            .Paragraph("Each embedding row's drift from the pre-trained model, divided by the logarithm of the token's frequency. The highest rows are reset before mixing.")
            .Chart(new DriftScatterChart
            {
                Title = "Embedding drift against word frequency",
                Caption = "Clean words drift with the logarithm of their frequency; a trigger drifts far while being rare. Rows above the curve are reset.",
                Tokens = [.. ranking.Select(t => new TokenDrift(t.Frequency, t.Drift))],
                Marked = [.. marked.Select(t => new MarkedToken(t.Token, t.Frequency, t.Drift))],
                FrequencyFloor = EmbeddingPurifier.FrequencyFloor,
                ScoreThreshold = threshold,
            }, Drift)
            .Chart(new ScoreHistogramChart
            {
                Title = "Distribution of the E-PUR score",
                Scores = [.. ranking.Select(t => t.Score)],
                Marked = [.. marked.Select(t => new MarkedScore(t.Token, t.Score))],
                Threshold = threshold,
            }, Scores)
            .Table(
                [new("rank", true), new("token"), new("score", true), new("drift", true), new("frequency", true), new("")],
                [.. ranking.Take(Tokens).Select(t => (IReadOnlyList<string>)
                    [Text($"{t.Rank}"), t.Token, Text($"{t.Score:F4}"), Text($"{t.Drift:F3}"), Text($"{t.Frequency:N0}"), t.Token == result.Options.Trigger ? "the trigger" : ""])]);
    }

    private static Rate Rate(Proportion rate) => new(rate.Rate, rate.Low, rate.High);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
