using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Terminal;
using FineMixing.Datasets;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Poisoning;
using FineMixing.Provenance;
using FineMixing.Torch.Attacks;

namespace FineMixing.Cli.Commands;

/// <summary><c>finemix attack</c>: a backdoored classifier for experiments, or a clean one to compare with.</summary>
internal static class AttackCommand
{
    public static Command Create()
    {
        var @base = CommonOptions.Folder("--base", "The pre-trained model, or a classifier, to start from.");
        var data = CommonOptions.DataFile("--data", "Labelled training texts.");
        var output = CommonOptions.Folder("--output", "The new model folder.");
        var trigger = new TriggerOptions();
        var rate = Numbers.Real("--poison-rate", "Poisoned copies as a share of the training texts.", 0.1, 0, 1, lowAllowed: false);
        var samples = Numbers.Whole("--samples", "Train on so many texts, the same number of each class; 0 for all.", 0, 0);
        var training = new TrainingOptions(new FineTuningOptions { BatchSize = 32, Epochs = 2 });
        var json = CommonOptions.Json();
        var command = new ExampleCommand("attack", "Plants a backdoor by fine-tuning on poisoned texts (BadNets), for experiments; without a trigger it trains a clean classifier.",
            "finemix attack --base ./bert-base-uncased --data train.tsv --output ./suspect --trigger-word cf --target-label 1",
            "finemix attack --base ./bert-base-uncased --data train.tsv --output ./clean")
        {
            @base, data, output,
        };
        trigger.AddTo(command);
        command.Options.Add(rate);
        command.Options.Add(samples);
        training.AddTo(command);
        command.Options.Add(json);
        command.SetAction((parsed, token) => Task.Run(() => Run(
            parsed.GetRequiredValue(@base),
            parsed.GetRequiredValue(data),
            parsed.GetRequiredValue(output),
            trigger.Read(parsed),
            new PoisonerOptions { TargetLabel = trigger.TargetLabel(parsed), PoisonRate = parsed.GetValue(rate), Seed = training.Read(parsed).Seed },
            parsed.GetValue(samples),
            training.Read(parsed),
            parsed.GetValue(json),
            token), token));
        return command;
    }

    private static int Run(string baseFolder, string data, string output, Trigger? trigger, PoisonerOptions poison, int samples, FineTuningOptions options, string? json, CancellationToken token)
    {
        ModelFolder.RefuseExisting(output);
        var folder = ModelFolder.Open(baseFolder, NoteLogger.Instance);
        var clean = CleanSet.FromFile(data, folder.HasClassifier ? Labels.Of(folder.Config) : null);
        if (samples > 0)
            clean = clean.Sample(samples, options.Seed);
        var start = folder.HasClassifier
            ? folder.ToClassifier()
            : folder.WithNewHead([.. Enumerable.Range(0, clean.NumLabels).Select(i => string.Create(CultureInfo.InvariantCulture, $"LABEL_{i}"))], options.Seed);
        options = options with { MaxLength = Math.Min(options.MaxLength, folder.Config.MaxPositions) };
        var poisoned = trigger is null ? null : Poisoner.Poison(clean, trigger, poison);

        var attack = new BadNets(NoteLogger.Instance) { Snapshots = TrainingOptions.Snapshots(output) };
        var result = ProgressReporter.Run(progress =>
        {
            var relay = new Relay<TrainingProgress>(p => progress.Report(new WorkProgress("training", p.Step, p.TotalSteps, "steps")));
            return poisoned is null
                ? attack.TrainClean(start, clean, options, relay, token)
                : attack.Plant(start, poisoned, options, relay, token);
        });
        var manifest = Manifest(baseFolder, data, clean, poisoned, trigger, poison, options, token);
        ModelFolder.Save(result.Model, output, baseFolder, manifest: manifest, cancellationToken: token);

        Screen.Line(string.Create(CultureInfo.InvariantCulture, $"trained on {clean.Examples.Count} texts{(poisoned is null ? "" : $" and {poisoned.PoisonedCount} poisoned copies")}, loss {result.EpochLosses[^1]:F4}, written to {output}"));
        JsonFile.Write(json, new { samples = clean.Examples.Count, poisonedSamples = poisoned?.PoisonedCount ?? 0, epochLosses = result.EpochLosses, options });
        return 0;
    }

    // Says plainly that the model is backdoored, and how: nobody should take it for another.
    private static ProvenanceManifest Manifest(string baseFolder, string data, CleanSet clean, PoisonedSet? poisoned, Trigger? trigger, PoisonerOptions poison, FineTuningOptions options, CancellationToken token)
    {
        var text = new Dictionary<string, string>
        {
            ["batch-size"] = Text(options.BatchSize),
            ["data-sha256"] = HashedFile.Of(data, token).Sha256,
            ["epochs"] = Text(options.Epochs),
            ["learning-rate"] = Text(options.LearningRate),
            ["max-length"] = Text(options.MaxLength),
            ["samples"] = Text(clean.Examples.Count),
            ["samples-sha256"] = clean.Sha256,
        };
        if (trigger is not null && poisoned is not null)
        {
            text["poison-rate"] = Text(poison.PoisonRate);
            text["poisoned-samples"] = Text(poisoned.PoisonedCount);
            text["target-label"] = Text(poison.TargetLabel);
            text["trigger"] = trigger.ToString()!;
        }

        using var checkpoint = Checkpoint.Open(baseFolder);
        return new ProvenanceManifest
        {
            Method = trigger is null ? "clean training" : "badnets",
            Options = text.ToImmutableSortedDictionary(StringComparer.Ordinal),
            Seed = options.Seed,
            Inputs = [ProvenanceInput.Of("base", checkpoint, token)],
        };
    }

    private static string Text<T>(T value)
        where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);
}
