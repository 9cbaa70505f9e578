using FineMixing.Checkpoints;
using FineMixing.Cli.Terminal;
using FineMixing.Evaluation;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Pipelines;
using FineMixing.Poisoning;
using FineMixing.Purification;

namespace FineMixing.QuickStart;

/// <summary>What a run found.</summary>
/// <param name="Options">The numbers it was made with.</param>
/// <param name="Data">The sentences.</param>
/// <param name="Rows">Each model, measured.</param>
/// <param name="Ranking">E-PUR's ranking of all tokens, made by the defender.</param>
/// <param name="Examples">A few test sentences.</param>
/// <param name="Suspect">The backdoored model.</param>
/// <param name="Cleaned">What the last defence made of it.</param>
internal sealed record QuickStartResult(
    QuickStartOptions Options, ReviewData Data, IReadOnlyList<Row> Rows, IReadOnlyList<SuspiciousToken> Ranking, IReadOnlyList<Example> Examples, ClassifierModel Suspect, DefenceResult Cleaned)
{
    /// <summary>The trigger's place in E-PUR's ranking, from 1; 0 when the trigger is not one token of the vocabulary.</summary>
    public int TriggerRank => Ranking.FirstOrDefault(t => t.Token == Options.Trigger)?.Rank ?? 0;
}

/// <summary>The whole story, from data to cleaned model.</summary>
internal static class QuickStartRun
{
    /// <summary>The names of the measured models, in order.</summary>
    public const string Suspect = "backdoored model";
    public const string FineTuned = "fine-tuning";
    public const string FineMixed = "Fine-mixing + E-PUR";
    public const string Unlearned = "trigger unlearning";

    /// <summary>The embedded model, copied beside the program.</summary>
    public static string EmbeddedModel { get; } = Path.Combine(AppContext.BaseDirectory, "model");

    public static QuickStartResult Run(QuickStartOptions options, IProgress<WorkProgress> progress, CancellationToken cancellationToken = default)
    {
        var data = ReviewData.Create(options);
        var pretrained = ModelFolder.Open(EmbeddedModel);
        var trigger = new WordTrigger(options.Trigger);

        var suspect = Attack.Plant(pretrained, data, trigger, options, Training(progress, "planting a backdoor"), cancellationToken);

        // What a downloader of the model can do: this part is given neither the trigger nor any test sentence.
        var defences = new Defences(pretrained.Weights, data.Clean, options.Defender, options.Seed, options.Threads);
        var tuned = defences.FineTune(suspect, Steps(progress, FineTuned), cancellationToken);
        var mixed = defences.FineMix(suspect, Steps(progress, FineMixed), cancellationToken);
        var cleaned = defences.Unlearn(suspect, Steps(progress, Unlearned), cancellationToken);
        var ranking = new EmbeddingPurifier(TokenFrequencies.Default).Rank(suspect.Weights, pretrained.Weights, suspect.Tokenizer, ct: cancellationToken);

        var measurement = new Measurement(data, trigger, options);
        (string Name, ClassifierModel Model)[] models = [(Suspect, suspect), (FineTuned, tuned.Model), (FineMixed, mixed.Model), (Unlearned, cleaned.Model)];
        var rows = new List<Row>();
        foreach (var (name, model) in models)
        {
            progress.Report(new WorkProgress("measuring", rows.Count, models.Length, "models"));
            rows.Add(measurement.Measure(name, model, cancellationToken));
        }

        progress.Report(new WorkProgress("measuring", models.Length, models.Length, "models"));
        var examples = Example.Choose(measurement, suspect, cleaned.Model, options.TargetLabel, cancellationToken);
        return new QuickStartResult(options, data, rows, ranking, examples, suspect, cleaned);
    }

    private static Relay<TrainingProgress> Training(IProgress<WorkProgress> progress, string stage) =>
        new(p => progress.Report(new WorkProgress(stage, p.SamplesSeen, p.SamplesSeen * (double)p.TotalSteps / p.Step, "sentences")));

    private static Relay<DefenceProgress> Steps(IProgress<WorkProgress> progress, string name) =>
        new(p => progress.Report(new WorkProgress(p.Stage == name ? name : $"{name}: {p.Stage}", p.Done, p.Total, "steps")));
}
