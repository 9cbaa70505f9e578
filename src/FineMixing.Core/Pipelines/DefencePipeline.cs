using System.Collections.Immutable;
using System.Globalization;
using System.Numerics.Tensors;
using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.Distillation;
using FineMixing.Evaluation;
using FineMixing.FineTuning;
using FineMixing.Mixing;
using FineMixing.Models;
using FineMixing.Probing;
using FineMixing.Purification;

namespace FineMixing.Pipelines;

/// <summary>
/// Cleans a suspect classifier: E-PUR, then a defence with a reserve ratio, then fine-tuning on a few clean samples.
/// </summary>
/// <remarks>Zhang et al. 2022, "Fine-mixing: Mitigating Backdoors in Fine-tuned Language Models" (Findings of EMNLP). The parts are given, so that callers can replace each.</remarks>
public sealed class DefencePipeline
{
    private readonly IFineTuner _tuner;
    private readonly IActivationProbe _probe;
    private readonly IPredictor _predictor;
    private readonly TokenFrequencies _frequencies;

    /// <summary>Composes a pipeline.</summary>
    /// <param name="tuner">Trains on clean data.</param>
    /// <param name="probe">Measures activations, for the methods that prune.</param>
    /// <param name="predictor">Classifies clean samples and made text.</param>
    /// <param name="frequencies">Word-piece frequencies for E-PUR and made text; null takes the table that is shipped.</param>
    public DefencePipeline(IFineTuner tuner, IActivationProbe probe, IPredictor predictor, TokenFrequencies? frequencies = null)
    {
        ArgumentNullException.ThrowIfNull(tuner);
        ArgumentNullException.ThrowIfNull(probe);
        ArgumentNullException.ThrowIfNull(predictor);
        (_tuner, _probe, _predictor, _frequencies) = (tuner, probe, predictor, frequencies ?? TokenFrequencies.Default);
    }

    /// <summary>Runs a defence.</summary>
    /// <param name="suspect">The classifier that may carry a backdoor; not changed.</param>
    /// <param name="base">The pre-trained weights it came from, under canonical names; not changed.</param>
    /// <param name="clean">Trusted labelled examples: all a defence ever sees.</param>
    /// <param name="options">Method and numbers.</param>
    /// <param name="progress">Told where it stands.</param>
    /// <param name="cancellationToken">Stops soon.</param>
    /// <exception cref="ArgumentException">Options are out of range, or suspect, base and data do not fit together.</exception>
    public DefenceResult Run(ClassifierModel suspect, StateDict @base, CleanSet clean, DefenceOptions options, IProgress<DefenceProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(suspect);
        ArgumentNullException.ThrowIfNull(@base);
        ArgumentNullException.ThrowIfNull(clean);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (clean.NumLabels > suspect.Config.LabelCount)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The clean data has {clean.NumLabels} classes, but the suspect has {suspect.Config.LabelCount}."));
        CheckpointComparison.Compare(suspect.Weights, @base).ThrowIfIncompatible();
        var samples = options.Samples == 0 || options.Samples >= clean.Examples.Count ? clean : clean.Sample(options.Samples, options.Seed);
        var purified = Purify(suspect, @base, options, cancellationToken);
        var run = new Defence(this, suspect, purified.Model, @base, options, progress, cancellationToken);
        var search = options.ReserveRatio is null && options.Method.UsesReserveRatio() ? run.SearchRatio(samples) : null;
        var ratio = options.Method.UsesReserveRatio() ? options.ReserveRatio ?? search!.Ratio : 1.0;
        var outcome = run.Defend(samples, ratio, options.FineTuning with { Seed = options.Seed });
        return new DefenceResult
        {
            Model = outcome.Model,
            Options = options,
            ReserveRatio = options.Method.UsesReserveRatio() ? outcome.Ratio ?? ratio : null,
            Search = search,
            ResetTokens = purified.Reset,
            Probe = outcome.Probe,
            MixedTensors = outcome.Mixed,
            EpochLosses = outcome.Losses,
            Samples = samples.Examples.Count,
            SamplesSha256 = samples.Sha256,
        };
    }

    private (ClassifierModel Model, IReadOnlyList<SuspiciousToken> Reset) Purify(ClassifierModel suspect, StateDict @base, DefenceOptions options, CancellationToken cancellationToken)
    {
        if (options.PurifyTopK == 0)
            return (suspect, []);
        var purifier = new EmbeddingPurifier(_frequencies, new PurificationOptions { TopK = options.PurifyTopK });
        var result = purifier.Purify(suspect.Weights, @base, suspect.Tokenizer, cancellationToken);
        return (suspect with { Weights = result.Weights }, result.Reset);
    }

    private readonly record struct Outcome(ClassifierModel Model, IReadOnlyList<TensorMixSummary> Mixed, ImmutableArray<double> Losses, ProbeResult? Probe = null, double? Ratio = null);

    // One defence: what does not change between the ratios of a search.
    private sealed class Defence(DefencePipeline parts, ClassifierModel original, ClassifierModel suspect, StateDict @base, DefenceOptions options, IProgress<DefenceProgress>? progress, CancellationToken cancellationToken)
    {
        private IReadOnlyList<double[]>? _activations;

        public Outcome Defend(CleanSet samples, double ratio, FineTuningOptions training, bool quiet = false)
        {
            switch (options.Method)
            {
                case DefenceMethod.None:
                    return new Outcome(suspect, [], []);
                case DefenceMethod.FineTuning:
                    return Tune(suspect, samples, training, null, [], quiet);
                case DefenceMethod.FineMixing:
                    var mixed = Mix(ratio, training.Seed);
                    return Tune(suspect with { Weights = mixed.Weights }, samples, training, null, mixed.Tensors, quiet);
                case DefenceMethod.FineMixingSelect:
                    return Tune(suspect with { Weights = Dormant(samples, ratio, training).Apply(suspect.Weights, @base) }, samples, training, null, [], quiet);
                case DefenceMethod.FinePruning:
                    return Tune(suspect with { Weights = Dormant(samples, ratio, training).Apply(suspect.Weights, null) }, samples, training, null, [], quiet);
                case DefenceMethod.FinePruningFrozen:
                    var units = Dormant(samples, ratio, training);
                    return Tune(suspect with { Weights = units.Apply(suspect.Weights, null) }, samples, training, units, [], quiet);
                case DefenceMethod.MaskAverage:
                    return Average(samples, ratio, training, quiet);
                case DefenceMethod.Distillation:
                    return Distil(samples, ratio, training, quiet);
                case DefenceMethod.TriggerUnlearning:
                    // A search for the ratio is about the reference.
                    return quiet ? Distil(samples, Labelled(samples, training, quiet, [], options.Unlearning.ReferenceTexts), ratio, training, quiet) : Unlearn(samples, ratio, training);
                default:
                    throw new ArgumentException($"Unknown defence {options.Method}.");
            }
        }

        public RatioSearchResult SearchRatio(CleanSet samples)
        {
            var folds = samples.Split(options.Search.Folds, options.Seed);
            var jobs = options.Search.Ratios.Distinct().SelectMany(r => Enumerable.Range(0, folds.Count).Select(f => (Ratio: r, Fold: f))).ToList();
            if (options.Method is DefenceMethod.FinePruning or DefenceMethod.FinePruningFrozen or DefenceMethod.FineMixingSelect)
                _ = Activations(samples, options.FineTuning);
            var threads = options.FineTuning.Threads == 0 ? Environment.ProcessorCount : options.FineTuning.Threads;
            var (workers, threadsPerJob) = options.FineTuning.Device == "cpu" ? SideBySide.Split(threads, jobs.Count) : (1, 0);
            var done = 0;
            progress?.Report(new DefenceProgress("ratio search", 0, jobs.Count));
            var correct = SideBySide.Run(jobs, workers, job =>
            {
                var training = options.FineTuning with { Seed = options.Seed, Threads = threadsPerJob };
                var (train, heldOut) = folds[job.Fold];
                var count = Correct(Defend(train, job.Ratio, training, quiet: true).Model, heldOut, training);
                progress?.Report(new DefenceProgress("ratio search", Interlocked.Increment(ref done), jobs.Count));
                return count;
            }, cancellationToken);
            var suspectAccuracy = (double)Correct(suspect, samples, options.FineTuning) / samples.Examples.Count;
            var rows = jobs.Zip(correct).GroupBy(p => p.First.Ratio).Select(g => new RatioSearchRow(g.Key, g.Sum(p => p.Second), samples.Examples.Count, false));
            return RatioSearchResult.Choose(suspectAccuracy, options.Search.Tolerance, rows);
        }

        private int Correct(ClassifierModel model, CleanSet samples, FineTuningOptions training)
        {
            var predicted = Predictions.FromLogits(parts._predictor.Logits(model, samples.Examples, Prediction(training), null, cancellationToken));
            return samples.Examples.Zip(predicted).Count(p => p.First.Label == p.Second);
        }

        private MixingResult Mix(double ratio, ulong seed) => WeightMixing.Mix(
            WeightMixers.Get("fine-mixing"), suspect.Weights, @base, new MixingOptions { ReserveRatio = ratio, Schedule = options.Schedule, Seed = seed }, ct: cancellationToken);

        private PrunedUnits Dormant(CleanSet samples, double ratio, FineTuningOptions training) => PrunedUnits.Dormant(Activations(samples, training), ratio);

        // The units that phrases excite, measured on every sample at several places.
        private PrunedUnits Excited(CleanSet samples, string[] phrases, FineTuningOptions training)
        {
            var with = TriggerUnlearning.Augment(samples, phrases, share: 1, copies: 4, training.Seed);
            return PrunedUnits.Excited(parts._probe.MeanAbsoluteActivations(suspect, with, training, cancellationToken), Activations(samples, training), options.Unlearning.ResetUnits);
        }

        private IReadOnlyList<double[]> Activations(CleanSet samples, FineTuningOptions training) =>
            _activations ??= parts._probe.MeanAbsoluteActivations(suspect, samples, training, cancellationToken);

        private Outcome Tune(ClassifierModel start, CleanSet samples, FineTuningOptions training, PrunedUnits? pruned, IReadOnlyList<TensorMixSummary> mixed, bool quiet, string stage = "fine-tuning")
        {
            var result = parts._tuner.FineTune(start, samples, training, pruned, Steps(stage, quiet), cancellationToken);
            return new Outcome(result.Model, mixed, result.EpochLosses);
        }

        private Outcome Average(CleanSet samples, double ratio, FineTuningOptions training, bool quiet)
        {
            var outcomes = new List<Outcome>();
            for (var i = 0; i < options.Masks; i++)
            {
                var own = training with { Seed = Randomness.DeterministicRandom.Key(training.Seed, "mask", (ulong)i) };
                var mixed = Mix(ratio, own.Seed);
                outcomes.Add(Tune(suspect with { Weights = mixed.Weights }, samples, own, null, mixed.Tensors, quiet, string.Create(CultureInfo.InvariantCulture, $"mask {i + 1} of {options.Masks}")));
            }

            return outcomes[^1] with { Model = suspect with { Weights = WeightAverage.Of([.. outcomes.Select(o => o.Model.Weights)]) } };
        }

        // The distilled model has the suspect's knowledge and not its backdoor: with it as reference a trigger shows. Once that is known, the suspect need not give up its knowledge.
        private Outcome Unlearn(CleanSet samples, double ratio, FineTuningOptions training)
        {
            var unlearning = options.Unlearning;
            var prediction = Prediction(training);
            var labelled = Labelled(samples, training, quiet: false, [], unlearning.ReferenceTexts);
            var reference = Distil(samples, labelled, ratio, training, quiet: false).Model;
            var probe = new TriggerProbe(parts._predictor, unlearning.Probe);
            var ranking = new EmbeddingPurifier(parts._frequencies).Rank(original.Weights, @base, original.Tokenizer, ct: cancellationToken);
            var found = probe.Find(original, reference, samples, ranking, training.Seed, prediction, progress, cancellationToken);
            var triggers = found.Triggers;
            if (triggers.Length > 0)
            {
                double Left(ClassifierModel model) => probe.Confirm(model, reference, samples, triggers, training.Seed, prediction, cancellationToken)[0].Evidence;
                var whole = unlearning.Probe.IsWholeTrigger(triggers[0]);

                // What embedding rows alone carried is gone with them, and nothing else need change.
                if (whole && Left(suspect) is var rest && rest <= unlearning.Residue)
                    return new Outcome(suspect, [], [], new ProbeResult([.. found.Phrases], triggers, rest, ByPurification: true), 1);
                string[] phrases = [.. triggers.Select(t => t.Text)];
                var start = whole ? suspect : suspect with { Weights = Excited(samples, phrases, training).Apply(suspect.Weights, @base) };
                var lessons = TriggerUnlearning.Augment(samples, phrases, unlearning.Share, training.Epochs, training.Seed);
                var texts = TriggerUnlearning.Augment([.. labelled.Take(whole ? unlearning.ReferenceTexts : unlearning.Texts)], phrases, unlearning.Share, training.Seed);
                var cleaned = parts._tuner.Distill(start, lessons, texts, training with { Epochs = 1 }, Steps("unlearning", quiet: false), cancellationToken);
                if (Left(cleaned.Model) is var left && left <= unlearning.Residue)
                    return new Outcome(cleaned.Model, [], cleaned.EpochLosses, new ProbeResult([.. found.Phrases], triggers, left), whole ? 1 : 1 - unlearning.ResetUnits);
            }

            return Distil(samples, Labelled(samples, training, quiet: false, labelled), ratio, training, quiet: false) with { Probe = new ProbeResult([.. found.Phrases], []) };
        }

        private DistillationOptions Distillation(CleanSet samples) => options.Distillation ?? DistillationOptions.For(samples);

        private Outcome Distil(CleanSet samples, double ratio, FineTuningOptions training, bool quiet) =>
            Distil(samples, Labelled(samples, training, quiet, []), ratio, training, quiet);

        private Outcome Distil(CleanSet samples, IReadOnlyList<SoftLabel> labelled, double ratio, FineTuningOptions training, bool quiet)
        {
            var distillation = Distillation(samples);
            var repeated = Enumerable.Repeat(samples.Examples, distillation.SampleRepeats - 1).SelectMany(e => e).Select(e => new SoftLabel(e.Text, e.TextPair, OneHot(e.Label)));
            var mixed = Mix(ratio, training.Seed);
            var student = distillation.Training with { Seed = training.Seed, Device = training.Device, Precision = training.Precision, Threads = training.Threads, Shards = training.Shards, MaxLength = training.MaxLength };
            var result = parts._tuner.Distill(suspect with { Weights = mixed.Weights }, samples, [.. labelled, .. repeated], student, Steps("distillation", quiet), cancellationToken);
            return new Outcome(result.Model, mixed.Tensors, result.EpochLosses);
        }

        // Text made from the samples, with the suspect's answers. The first texts are the same however many there are: those that are known are not asked again.
        private IReadOnlyList<SoftLabel> Labelled(CleanSet samples, FineTuningOptions training, bool quiet, IReadOnlyList<SoftLabel> known, int most = int.MaxValue)
        {
            var distillation = Distillation(samples);
            distillation = distillation with { Texts = Math.Min(distillation.Texts, most) };
            var texts = new TextMaker(suspect.Tokenizer, new WordNeighbours(@base, suspect.Tokenizer, parts._frequencies), distillation).Make(samples, training.Seed);
            var open = texts.Skip(known.Count).ToList();
            if (open.Count == 0)
                return known;
            var predicted = quiet ? null : new Relay<int>(done => progress?.Report(new DefenceProgress("labelling made text", done, open.Count)));
            var logits = parts._predictor.Logits(suspect, open, Prediction(training), predicted, cancellationToken);
            return [.. known, .. open.Select((t, i) => new SoftLabel(t.Text, t.TextPair, SoftMax(logits[i], distillation.Temperature)))];
        }

        private static PredictionOptions Prediction(FineTuningOptions training) =>
            new() { MaxLength = training.MaxLength, Device = training.Device, Precision = training.Precision, Threads = training.Threads };

        private ImmutableArray<float> OneHot(int label)
        {
            var result = new float[suspect.Config.LabelCount];
            result[label] = 1;
            return [.. result];
        }

        private static ImmutableArray<float> SoftMax(float[] logits, double temperature)
        {
            var result = new float[logits.Length];
            TensorPrimitives.Divide(logits, (float)temperature, result);
            TensorPrimitives.SoftMax<float>(result, result);
            return [.. result];
        }

        private Relay<TrainingProgress>? Steps(string stage, bool quiet) =>
            quiet || progress is null ? null : new Relay<TrainingProgress>(p => progress.Report(new DefenceProgress(stage, p.Step, p.TotalSteps)));
    }
}
