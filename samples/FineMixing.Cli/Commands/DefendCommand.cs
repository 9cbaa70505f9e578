using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Reporting;
using FineMixing.Cli.Terminal;
using FineMixing.Datasets;
using FineMixing.Distillation;
using FineMixing.FineTuning;
using FineMixing.Mixing;
using FineMixing.Models;
using FineMixing.Pipelines;
using FineMixing.Provenance;
using FineMixing.Purification;
using FineMixing.Torch.Evaluation;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Cli.Commands;

/// <summary><c>finemix defend</c>: a cleaned model from a suspect, its base and a few clean samples.</summary>
internal static class DefendCommand
{
    public static Command Create()
    {
        var defaults = DefenceDefaults.Options;
        var suspect = CommonOptions.Folder("--suspect", "The classifier that may carry a backdoor.");
        var adapter = CommonOptions.Adapter();
        var @base = CommonOptions.Folder("--base", "The pre-trained model it was fine-tuned from.");
        var clean = CommonOptions.DataFile("--clean", "Labelled texts that are known to be clean.");
        var output = CommonOptions.Folder("--output", "The new model folder.");
        var method = CommonOptions.OneOf("--method", "The defence", defaults.Method.Name(), [.. DefenceMethods.Names]);
        var ratio = Numbers.RatioOrAuto("--reserve-ratio", "Share of the weights kept from the suspect; auto searches the smallest one that keeps the accuracy on the clean texts. Without it: auto; for distillation and the distilled reference of trigger-unlearning 0.5, or 0.2 for sentence pairs.", null);
        var schedule = CommonOptions.Schedule($" For distillation the default is {defaults.Schedule}.");
        var purify = Numbers.Whole("--purify-top-k", "Embedding rows that E-PUR resets first; 0 for none.", defaults.PurifyTopK, 0);
        var samples = Numbers.Whole("--samples", "Clean texts drawn from the file, the same number of each class; 0 for all.", defaults.Samples, 0);
        var training = new TrainingOptions(defaults.FineTuning, DistillationOptions.ForSentences.Training);
        var frequencies = CommonOptions.Frequencies();
        var force = CommonOptions.Force();
        var json = CommonOptions.Json();
        var report = CommonOptions.Report();
        var command = new ExampleCommand("defend", "Removes a backdoor with a few clean texts: E-PUR, mixing with the pre-trained weights, a search for the trigger, fine-tuning.",
            "finemix defend --suspect ./suspect --base ./bert-base-uncased --clean clean.tsv --output ./cleaned",
            "finemix defend --suspect ./suspect --base ./bert-base-uncased --clean clean.tsv --output ./cleaned --method fine-mixing --reserve-ratio 0.3 --report ./report")
        {
            suspect, adapter, @base, clean, output, method, ratio, schedule, purify, samples,
        };
        training.AddTo(command);
        foreach (var option in (Option[])[frequencies, force, json, report])
            command.Options.Add(option);
        command.SetAction((parsed, token) =>
        {
            bool Given(Option option) => parsed.GetResult(option) is { Implicit: false };
            var own = DefenceDefaults.For(DefenceMethods.Parse(parsed.GetValue(method)!));
            var request = new Request
            {
                Suspect = parsed.GetRequiredValue(suspect),
                Adapter = parsed.GetValue(adapter),
                Base = parsed.GetRequiredValue(@base),
                Clean = parsed.GetRequiredValue(clean),
                Output = parsed.GetRequiredValue(output),
                Distillation = options => options with { Training = training.Override(parsed, options.Training) },
                Options = own with
                {
                    ReserveRatio = parsed.GetValue(ratio),
                    Schedule = Given(schedule) ? RatioSchedule.Parse(parsed.GetValue(schedule)!) : own.Schedule,
                    PurifyTopK = parsed.GetValue(purify),
                    Samples = parsed.GetValue(samples),
                    FineTuning = training.Read(parsed),
                    Seed = training.Read(parsed).Seed,
                },
                RatioGiven = Given(ratio),
                Frequencies = parsed.GetValue(frequencies),
                Force = parsed.GetValue(force),
                Json = parsed.GetValue(json),
                Report = parsed.GetValue(report),
            };
            return Task.Run(() => Run(request, token), token);
        });
        return command;
    }

    private static int Run(Request request, CancellationToken token)
    {
        ModelFolder.RefuseExisting(request.Output);
        using var checkpoint = Suspect.Open(request.Suspect, request.Adapter);
        using var baseCheckpoint = Checkpoint.Open(request.Base, NoteLogger.Instance);
        BaseModel.Check(request.Suspect, checkpoint, request.Base, baseCheckpoint, request.Force, token);
        var suspectFolder = ModelFolder.Open(request.Suspect, NoteLogger.Instance, request.Adapter is null ? null : Suspect.Open(request.Suspect, request.Adapter));
        var suspect = suspectFolder.ToClassifier();
        var @base = ModelFolder.Open(request.Base, NoteLogger.Instance).Weights;
        var clean = CleanSet.FromFile(request.Clean, Labels.Of(suspect.Config));
        var options = request.Options with
        {
            ReserveRatio = request.RatioGiven ? request.Options.ReserveRatio : DefenceDefaults.For(request.Options.Method, pairs: clean.Examples.Any(e => e.TextPair is not null)).ReserveRatio,
            FineTuning = request.Options.FineTuning with { MaxLength = Math.Min(request.Options.FineTuning.MaxLength, suspect.Config.MaxPositions) },
            Distillation = request.Distillation(DistillationOptions.For(clean)),
        };
        if (options.Samples > clean.Examples.Count)
            Screen.Note(string.Create(CultureInfo.InvariantCulture, $"'{request.Clean}' has {clean.Examples.Count} texts, fewer than {options.Samples}: all are used."));

        var frequencies = TokenTable.Read(request.Frequencies);

        // Several trainings in a row: one that is done stays done until the model is written.
        var snapshots = TrainingOptions.Snapshots(request.Output) with { KeepFinished = true };
        var tuner = new TorchFineTuner(NoteLogger.Instance) { Snapshots = snapshots };
        var pipeline = new DefencePipeline(tuner, tuner, new TorchPredictor(NoteLogger.Instance), frequencies);
        var result = ProgressReporter.Run(progress => pipeline.Run(
            suspect, @base, clean, options, new Relay<DefenceProgress>(p => progress.Report(new WorkProgress(p.Stage, p.Done, p.Total, "steps"))), token));

        var manifest = Manifest(request, result, checkpoint, baseCheckpoint, token);
        ModelFolder.Save(result.Model, request.Output, request.Suspect, suspectFolder.DType, manifest, cancellationToken: token);
        snapshots.Remove();
        Show(request, result);
        if (request.Report is { } report)
        {
            var ranking = new EmbeddingPurifier(frequencies).Rank(suspect.Weights, @base, suspect.Tokenizer, ct: token);
            DefenceReport.Build(result, ranking, manifest).Save(report);
            Screen.Note($"The report is in {Path.Combine(report, Reports.Report.PageName)}.");
        }

        return 0;
    }

    private static void Show(Request request, DefenceResult result)
    {
        if (result.Search is { } search)
        {
            Screen.Table(
                [new("reserve ratio", true), new("held-out accuracy", true), new("")],
                [.. search.Table.Select(r => (IReadOnlyList<string>)[r.Ratio.ToString("0.##", CultureInfo.InvariantCulture), string.Create(CultureInfo.InvariantCulture, $"{r.Accuracy * 100:F1}% ({r.Correct} of {r.Samples})"), r.Chosen ? "chosen" : ""])]);
            Screen.Line(string.Create(CultureInfo.InvariantCulture, $"the suspect has {search.SuspectAccuracy * 100:F1}% on the same texts; up to {search.Tolerance * 100:F0} points less are accepted"));
            if (!search.WithinTolerance)
                Screen.Line("warning: no ratio kept the accuracy; the most accurate one was taken");
        }

        if (result.ResetTokens.Count > 0)
            Screen.Line($"E-PUR reset {result.ResetTokens.Count} embedding rows, first: {string.Join(' ', result.ResetTokens.Take(10).Select(t => t.Token))}");
        if (result.Probe is { } probe)
            ProbeView.Show(probe);

        var ratio = result.ReserveRatio is { } used ? string.Create(CultureInfo.InvariantCulture, $", reserve ratio {used:0.##}") : "";
        Screen.Line($"{result.Options.Method.Title()}{ratio}, {result.Samples} clean texts: written to {request.Output}");
        JsonFile.Write(request.Json, new
        {
            method = result.Options.Method.Name(),
            reserveRatio = result.ReserveRatio,
            search = result.Search,
            resetTokens = result.ResetTokens,
            probe = result.Probe,
            samples = result.Samples,
            samplesSha256 = result.SamplesSha256,
            epochLosses = result.EpochLosses,
            seed = result.Options.Seed,
            libraryVersion = ProvenanceManifest.CurrentLibraryVersion,
        });
    }

    private static ProvenanceManifest Manifest(Request request, DefenceResult result, ICheckpoint suspect, ICheckpoint @base, CancellationToken token)
    {
        var options = result.Options;
        var distillation = options.Method is DefenceMethod.Distillation or DefenceMethod.TriggerUnlearning ? options.Distillation : null;
        var training = distillation?.Training ?? options.FineTuning;
        var text = new Dictionary<string, string>
        {
            ["batch-size"] = Text(training.BatchSize),
            ["epochs"] = Text(training.Epochs),
            ["learning-rate"] = Text(training.LearningRate),
            ["max-length"] = Text(options.FineTuning.MaxLength),
            ["purify-top-k"] = Text(options.PurifyTopK),
            ["samples"] = Text(result.Samples),
            ["samples-sha256"] = result.SamplesSha256,
            ["schedule"] = options.Schedule.ToString(),
            ["reserve-ratio"] = options.ReserveRatio is { } given ? Text(given) : "auto",
        };
        if (distillation is not null)
        {
            text["crossovers"] = Text(distillation.Crossovers);
            text["frequent-words"] = Text(distillation.FrequentWords);
            text["neighbours"] = Text(distillation.Neighbours);
            text["neighbour-share"] = Text(distillation.NeighbourShare);
            text["random-share"] = Text(distillation.RandomShare);
            text["temperature"] = Text(distillation.Temperature);
            text["texts"] = Text(distillation.Texts);
        }

        if (options.Method == DefenceMethod.TriggerUnlearning)
        {
            text["probe-candidates"] = Text(options.Unlearning.Probe.Candidates);
            text["probe-common-words"] = Text(options.Unlearning.Probe.CommonWords);
            text["probe-max-tokens"] = Text(options.Unlearning.Probe.MaxTokens);
            text["probe-threshold"] = Text(options.Unlearning.Probe.Threshold);
            text["probe-weakening"] = Text(options.Unlearning.Probe.Weakening);
            text["probe-whole"] = Text(options.Unlearning.Probe.Whole);
            text["probe-whole-threshold"] = Text(options.Unlearning.Probe.WholeThreshold);
            text["reference-texts"] = Text(options.Unlearning.ReferenceTexts);
            text["removed"] = result.Probe?.RemovedText ?? "";
            text["unlearning-epochs"] = Text(options.FineTuning.Epochs);
            text["unlearning-learning-rate"] = Text(options.FineTuning.LearningRate);
            text["unlearning-reset-units"] = Text(options.Unlearning.ResetUnits);
            text["unlearning-residue"] = Text(options.Unlearning.Residue);
            text["unlearning-share"] = Text(options.Unlearning.Share);
            text["unlearning-texts"] = Text(options.Unlearning.Texts);
        }

        if (request.Frequencies is { } file)
            text["frequencies-sha256"] = HashedFile.Of(file, token).Sha256;
        return new ProvenanceManifest
        {
            Method = options.Method.Name(),
            Options = text.ToImmutableSortedDictionary(StringComparer.Ordinal),
            Seed = options.Seed,
            Inputs = [ProvenanceInput.Of("suspect", suspect, token), ProvenanceInput.Of("base", @base, token)],
            Tensors = [.. result.MixedTensors.Select(t => new TensorProvenance(t.Name, t.Action == TensorAction.Mixed ? options.Method.Name() : JsonName(t.Action), t.Elements, ReserveRatio: t.Ratio))],
        };
    }

    private static string JsonName(TensorAction action) => action.ToString().ToLowerInvariant();

    private static string Text<T>(T value)
        where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);

    private sealed record Request
    {
        public required string Suspect { get; init; }

        public required string? Adapter { get; init; }

        public required string Base { get; init; }

        public required string Clean { get; init; }

        public required string Output { get; init; }

        /// <summary>Applies what the user said about training to the distillation's own options.</summary>
        public required Func<DistillationOptions, DistillationOptions> Distillation { get; init; }

        public required DefenceOptions Options { get; init; }

        public required bool RatioGiven { get; init; }

        public required string? Frequencies { get; init; }

        public required bool Force { get; init; }

        public required string? Json { get; init; }

        public required string? Report { get; init; }
    }
}
