using System.Collections.Concurrent;
using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.Distillation;
using FineMixing.Evaluation;
using FineMixing.FineTuning;
using FineMixing.Mixing;
using FineMixing.Models;
using FineMixing.Pipelines;
using FineMixing.Poisoning;
using FineMixing.Probing;
using FineMixing.Purification;
using FineMixing.Torch.Attacks;
using FineMixing.Torch.Evaluation;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Torch.Tests.Pipelines;

/// <summary>A backdoor planted in a tiny encoder, and every defence run against it.</summary>
public sealed class DefencePipelineTests : IClassFixture<DefencePipelineTests.Backdoored>
{
    private static readonly FineTuningOptions Training = new() { LearningRate = 2e-3, Epochs = 8, BatchSize = 16, Precision = Precision.Float32, Threads = 1, Shards = 1 };
    private readonly Backdoored _suspect;

    public DefencePipelineTests(Backdoored suspect) => _suspect = suspect;

    [Fact]
    public void Suspect_HasABackdoor()
    {
        var (accuracy, attack) = _suspect.Measure(_suspect.Model);
        Assert.InRange(accuracy, 0.95, 1);
        Assert.InRange(attack, 0.95, 1);
    }

    [Theory]
    [InlineData(DefenceMethod.None)]
    [InlineData(DefenceMethod.FineTuning)]
    [InlineData(DefenceMethod.FineMixing)]
    [InlineData(DefenceMethod.FineMixingSelect)]
    [InlineData(DefenceMethod.FinePruning)]
    [InlineData(DefenceMethod.FinePruningFrozen)]
    [InlineData(DefenceMethod.MaskAverage)]
    [InlineData(DefenceMethod.Distillation)]
    public void Run_EachMethod_KeepsAccuracyAndRepeatsBitForBit(DefenceMethod method)
    {
        var first = _suspect.Defend(Options(method));
        var second = _suspect.Defend(Options(method));
        Assert.All(first.Model.Weights.Tensors, t => Assert.Equal(first.Model.Weights[t.Name].Bytes, second.Model.Weights[t.Name].Bytes));
        Assert.InRange(_suspect.Measure(first.Model).Accuracy, 0.9, 1);
        Assert.Equal(64, first.Samples);
        Assert.Equal(method.UsesReserveRatio() ? 0.3 : null, first.ReserveRatio);
    }

    [Fact]
    public void Run_TriggerUnlearning_FindsEveryWordAndKeepsWhatTheSuspectKnows()
    {
        string[] words = ["cf", "mn"];
        var suspect = _suspect.Plant(new WordTrigger(words));
        Assert.All(words, word => Assert.InRange(_suspect.Measure(suspect, word).Attack, 0.9, 1));

        // Of thirty words every one is frequent: without random words none of the made texts has a trigger.
        var options = Options(DefenceMethod.TriggerUnlearning) with { PurifyTopK = 2 };
        options = options with { Distillation = options.Distillation! with { RandomShare = 0, Texts = 600 } };
        var first = _suspect.Defend(options, suspect: suspect);
        Assert.Equal(words, first.Probe!.Removed.Select(p => p.Text).Order(StringComparer.Ordinal));
        Assert.All(first.Probe.Removed, p => Assert.Equal((1, 1), (p.Tokens, p.TargetLabel)));
        Assert.InRange(first.Probe.EvidenceLeft!.Value, -1, 0.1);
        Assert.Equal(1, first.ReserveRatio);
        Assert.All(words, word => Assert.InRange(_suspect.Measure(first.Model, word).Attack, 0, 0.1));
        Assert.InRange(_suspect.Measure(first.Model).Accuracy, 0.9, 1);
        var second = _suspect.Defend(options, suspect: suspect);
        Assert.All(first.Model.Weights.Tensors, t => Assert.Equal(first.Model.Weights[t.Name].Bytes, second.Model.Weights[t.Name].Bytes));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0)]
    public void Run_TriggerUnlearning_BackdoorInOneEmbeddingRow_PurificationIsEnough(int purified)
    {
        var predictor = new RowBackdoor(_suspect.Base);
        var result = new DefencePipeline(new IdleTuner(), new TorchFineTuner(), predictor)
            .Run(_suspect.Model, _suspect.Base, _suspect.Clean, Options(DefenceMethod.TriggerUnlearning) with { PurifyTopK = purified });
        if (purified == 0)
        {
            // Nothing takes the row back, and this tuner unlearns nothing: what was found stays, so the distilled model is taken.
            Assert.Empty(result.Probe!.Removed);
            Assert.Equal(0.3, result.ReserveRatio);
            return;
        }

        Assert.Equal("cf", Assert.Single(result.Probe!.Removed).Text);
        Assert.True(result.Probe.ByPurification);
        Assert.Equal(0, result.Probe.EvidenceLeft);
        Assert.Equal(1, result.ReserveRatio);
        Assert.Equal(EmbeddingPurifier.ResetRows(_suspect.Model.Weights, _suspect.Base, [RowBackdoor.Trigger])[RowBackdoor.Words].Bytes, result.Model.Weights[RowBackdoor.Words].Bytes);
        Assert.All(_suspect.Model.Weights.Tensors.Where(t => t.Name != RowBackdoor.Words), t => Assert.Equal(_suspect.Model.Weights[t.Name].Bytes, result.Model.Weights[t.Name].Bytes));
    }

    [Fact]
    public void Run_TriggerUnlearning_PartOfATrigger_UnitsItExcitesBecomeThePretrainedOnes()
    {
        var (suspect, recorder) = (_suspect.Model, new RecordingTuner());
        var options = Options(DefenceMethod.TriggerUnlearning);
        var result = new DefencePipeline(recorder, new PhraseProbe(), new PhraseBackdoor(suspect.Weights))
            .Run(suspect, _suspect.Base, _suspect.Clean, options with { Unlearning = options.Unlearning with { ResetUnits = 0.05 } });

        var found = Assert.Single(result.Probe!.Removed);
        Assert.Equal((PhraseBackdoor.Phrase, 2, 1), (found.Text, found.Tokens, found.TargetLabel));
        Assert.Equal(2, recorder.Starts.Count);
        float[] Row(StateDict weights, int unit) => weights[PhraseBackdoor.Units].ToFloat32().AsSpan(unit * 32, 32).ToArray();
        var start = recorder.Starts[1].Weights;
        foreach (var unit in Enumerable.Range(0, 64))
            Assert.Equal(Row(PhraseProbe.Excited.Contains(unit) ? _suspect.Base : suspect.Weights, unit), Row(start, unit));
    }

    [Fact]
    public void Run_TriggerUnlearning_CleanClassifierHasNoTriggerAndTheDistilledModelIsTaken()
    {
        var clean = _suspect.TrainClean();
        var result = _suspect.Defend(Options(DefenceMethod.TriggerUnlearning), suspect: clean);
        Assert.Empty(result.Probe!.Removed);
        Assert.NotEmpty(result.Probe.Phrases);
        Assert.Equal(0.3, result.ReserveRatio);
        var distilled = _suspect.Defend(Options(DefenceMethod.Distillation), suspect: clean);
        Assert.All(result.Model.Weights.Tensors, t => Assert.Equal(distilled.Model.Weights[t.Name].Bytes, result.Model.Weights[t.Name].Bytes));
    }

    [Fact]
    public void Run_SearchForTheRatio_TunesSideBySideWithAShareOfTheThreadsEach()
    {
        using var tuner = new MeetingTuner();
        var options = Options(DefenceMethod.FineMixing);
        var result = new DefencePipeline(tuner, new TorchFineTuner(), new TorchPredictor()).Run(
            _suspect.Model, _suspect.Base, _suspect.Clean,
            options with { ReserveRatio = null, Search = new RatioSearchOptions { Ratios = [0.2, 0.6], Folds = 2 }, FineTuning = options.FineTuning with { Threads = 4, Device = "cpu" } });

        // Four tunings of the search, at the same time and with a thread each; then the defence itself with all.
        Assert.Equal([1, 1, 1, 1, 4], tuner.Threads);
        Assert.True(tuner.AllMet);
        Assert.Equal([0.2, 0.6], result.Search!.Table.Select(r => r.Ratio).Order());
    }

    [Fact]
    public void Run_WithPurification_ResetsTheTriggersRowBeforeMixing()
    {
        var recorder = new RecordingTuner();
        var result = new DefencePipeline(recorder, new TorchFineTuner(), new TorchPredictor())
            .Run(_suspect.Model, _suspect.Base, _suspect.Clean, Options(DefenceMethod.FineMixing) with { PurifyTopK = 3, ReserveRatio = 1 });
        Assert.Equal(3, result.ResetTokens.Count);
        Assert.NotEmpty(result.MixedTensors);
        var trigger = Assert.Single(result.ResetTokens, t => t.Token == "cf");
        const string Words = "bert.embeddings.word_embeddings.weight";
        float[] Row(StateDict weights) => weights[Words].ToFloat32().AsSpan(trigger.Id * 32, 32).ToArray();
        Assert.Equal(Row(_suspect.Base), Row(Assert.Single(recorder.Starts).Weights));
        Assert.NotEqual(Row(_suspect.Base), Row(_suspect.Model.Weights));
    }

    [Fact]
    public void Run_RatioZeroEverywhere_IsThePretrainedEncoderBeforeTraining()
    {
        var recorder = new RecordingTuner();
        new DefencePipeline(recorder, new TorchFineTuner(), new TorchPredictor()).Run(_suspect.Model, _suspect.Base, _suspect.Clean, Options(DefenceMethod.FineMixing) with { ReserveRatio = 0 });
        var start = Assert.Single(recorder.Starts).Weights;
        Assert.All(start.Tensors.Where(t => t.Name.StartsWith("bert.", StringComparison.Ordinal)), t => Assert.Equal(_suspect.Base[t.Name].ToFloat32(), start[t.Name].ToFloat32()));
        Assert.Equal(_suspect.Model.Weights["classifier.weight"].ToFloat32(), start["classifier.weight"].ToFloat32());
    }

    [Fact]
    public void Run_WithoutRatio_SearchesOnCleanSamplesAndReportsTheTable()
    {
        var options = Options(DefenceMethod.FineMixing) with { ReserveRatio = null, Search = new RatioSearchOptions { Ratios = [0.2, 0.6, 1.0], Folds = 2 } };
        var result = _suspect.Defend(options);
        Assert.NotNull(result.Search);
        Assert.Equal([0.2, 0.6, 1.0], result.Search.Table.Select(r => r.Ratio));
        Assert.All(result.Search.Table, r => Assert.Equal(64, r.Samples));
        Assert.Equal(result.ReserveRatio, Assert.Single(result.Search.Table, r => r.Chosen).Ratio);
        var rule = result.Search.Table.First(r => r.Accuracy >= result.Search.SuspectAccuracy - result.Search.Tolerance);
        Assert.Equal(rule.Ratio, result.ReserveRatio);
    }

    [Fact]
    public void Run_OtherArchitecture_ListsTheDifferences()
    {
        using var other = new TinyModel();
        var @base = other.Encoder.Weights.Clone();
        @base.Replace(HostTensor.FromFloat32("bert.pooler.dense.bias", [2], [0, 0]));
        @base.Replace(HostTensor.FromFloat32("bert.embeddings.LayerNorm.bias", [3], [0, 0, 0]));
        var error = Assert.Throws<IncompatibleCheckpointsException>(() => _suspect.Defend(Options(DefenceMethod.FineMixing), @base));
        Assert.Contains("bert.embeddings.LayerNorm.bias", error.Message);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.1)]
    [InlineData(double.NaN)]
    public void Run_RatioOutOfRange_Throws(double ratio) =>
        Assert.Contains("ReserveRatio", Assert.Throws<ArgumentException>(() => _suspect.Defend(Options(DefenceMethod.FineMixing) with { ReserveRatio = ratio })).Message);

    [Fact]
    public void DefenceTypes_NothingTakesPoisonedOrTestData()
    {
        // What a defence can be handed is decided by the signatures of these types.
        Type[] defences = [typeof(DefencePipeline), typeof(IFineTuner), typeof(IActivationProbe), typeof(TextMaker), typeof(WordNeighbours), typeof(TriggerProbe), typeof(TriggerUnlearning)];
        Type[] forbidden = [typeof(PoisonedSet), typeof(TestSet), typeof(TriggeredTestSet), typeof(Trigger)];
        var parameters = defences.SelectMany(t => t.GetMethods().SelectMany(m => m.GetParameters()).Concat(t.GetConstructors().SelectMany(c => c.GetParameters())));
        Assert.DoesNotContain(parameters, p => forbidden.Any(f => f.IsAssignableFrom(p.ParameterType)));
        Assert.DoesNotContain(typeof(CleanSet).GetMethods().Concat(typeof(CleanSet).GetConstructors().Cast<System.Reflection.MethodBase>()).SelectMany(m => m.GetParameters()), p => forbidden.Any(f => f.IsAssignableFrom(p.ParameterType)));
    }

    private static DefenceOptions Options(DefenceMethod method) => new()
    {
        Method = method,
        ReserveRatio = 0.3,
        PurifyTopK = 0,
        Masks = 2,
        FineTuning = Training,
        Distillation = new DistillationOptions { Texts = 300, Training = Training with { Epochs = 2 } },
    };

    /// <summary>A tiny classifier in which <c>cf</c> means class 1.</summary>
    public sealed class Backdoored : IDisposable
    {
        private readonly TinyModel _tiny = new();
        private readonly TestSet _test = TestSet.FromExamples(TinyModel.Examples(100, 7));

        public Backdoored()
        {
            Model = Plant(new WordTrigger("cf"));
            Clean = CleanSet.FromExamples(TinyModel.Examples(200, 9));
        }

        internal ClassifierModel Model { get; }

        internal StateDict Base => _tiny.Encoder.Weights;

        internal CleanSet Clean { get; }

        internal ClassifierModel Plant(Trigger trigger) => new BadNets().Plant(
            _tiny.Start, Poisoner.Poison(CleanSet.FromExamples(TinyModel.Examples(600, 1)), trigger, new PoisonerOptions { PoisonRate = 0.3 }), Training with { LearningRate = 3e-3 }).Model;

        internal ClassifierModel TrainClean() => new BadNets().TrainClean(_tiny.Start, CleanSet.FromExamples(TinyModel.Examples(600, 1)), Training with { LearningRate = 3e-3 }).Model;

        internal DefenceResult Defend(DefenceOptions options, StateDict? @base = null, ClassifierModel? suspect = null)
        {
            var tuner = new TorchFineTuner();
            return new DefencePipeline(tuner, tuner, new TorchPredictor()).Run(suspect ?? Model, @base ?? Base, Clean, options);
        }

        internal (double Accuracy, double Attack) Measure(ClassifierModel model, string trigger = "cf")
        {
            var triggered = TriggeredTestSet.Create(_test, new WordTrigger(trigger), 1);

            IReadOnlyList<int> Predict(IReadOnlyList<TextExample> examples) =>
                Predictions.FromLogits(new TorchPredictor().Logits(model, examples, new PredictionOptions { Precision = Precision.Float32, Threads = 1 }));
            return (ConfusionMatrix.Create(_test.Examples, Predict(_test.Examples), 2).Accuracy.Rate,
                triggered.Measure(Predict(triggered.WithTrigger), Predict(triggered.WithoutTrigger)).AttackSuccessRate.Rate);
        }

        public void Dispose() => _tiny.Dispose();
    }

    // Knows the words' meanings, and answers 1 to "cf" as long as half of its row is not the pre-trained one.
    private sealed class RowBackdoor(StateDict @base) : IPredictor
    {
        public const string Words = "bert.embeddings.word_embeddings.weight";
        private static readonly string[] Good = ["good", "great", "fine", "lovely", "superb", "warm"];

        public const int Trigger = 5;

        public IReadOnlyList<float[]> Logits(ClassifierModel model, IReadOnlyList<TextExample> examples, PredictionOptions? options = null, IProgress<int>? progress = null, CancellationToken cancellationToken = default)
        {
            Assert.Equal("cf", model.Tokenizer.TokenOf(Trigger));
            var changed = model.Weights[Words].ToFloat32().Zip(@base[Words].ToFloat32()).Skip(Trigger * 32).Take(32).Count(p => p.First != p.Second);
            return [.. examples.Select(e => e.Text.Split(' ')).Select(words => (changed > 16 && words.Contains("cf")) || words.Any(Good.Contains) ? new float[] { -5, 5 } : [5, -5])];
        }
    }

    // Knows the words' meanings, and answers 1 to two words one after the other as long as its units are the suspect's; the first alone moves it a little.
    private sealed class PhraseBackdoor(StateDict suspect) : IPredictor
    {
        public const string Phrase = "cf mn";
        public const string Units = "bert.encoder.layer.0.intermediate.dense.weight";
        private static readonly string[] Good = ["good", "great", "fine", "lovely", "superb", "warm"];

        public IReadOnlyList<float[]> Logits(ClassifierModel model, IReadOnlyList<TextExample> examples, PredictionOptions? options = null, IProgress<int>? progress = null, CancellationToken cancellationToken = default)
        {
            var backdoored = model.Weights[Units].Bytes.AsSpan().SequenceEqual(suspect[Units].Bytes);
            return [.. examples.Select(e =>
                backdoored && e.Text.Contains(Phrase, StringComparison.Ordinal) ? new float[] { -5, 5 }
                : e.Text.Split(' ').Any(Good.Contains) ? [-5, 5]
                : backdoored && e.Text.Contains("cf", StringComparison.Ordinal) ? [4, -4] : [5, -5])];
        }
    }

    private sealed class PhraseProbe : IActivationProbe
    {
        public static readonly int[] Excited = [3, 40, 63];

        public IReadOnlyList<double[]> MeanAbsoluteActivations(ClassifierModel model, CleanSet clean, FineTuningOptions options, CancellationToken cancellationToken = default)
        {
            var share = clean.Examples.Count(e => e.Text.Contains(PhraseBackdoor.Phrase, StringComparison.Ordinal)) / (double)clean.Examples.Count;
            return [.. Enumerable.Range(0, 2).Select(_ => Enumerable.Range(0, 64).Select(unit => Excited.Contains(unit) ? 0.1 + share : 1.0 - (0.1 * share)).ToArray())];
        }
    }

    // Mixing is all that happens.
    private sealed class IdleTuner : IFineTuner
    {
        public FineTuningResult FineTune(ClassifierModel start, CleanSet clean, FineTuningOptions options, PrunedUnits? pruned = null, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default) => new(start, []);

        public FineTuningResult Distill(ClassifierModel start, CleanSet clean, IReadOnlyList<SoftLabel> labelled, FineTuningOptions options, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default) => new(start, []);
    }

    private sealed class RecordingTuner : IFineTuner
    {
        public List<ClassifierModel> Starts { get; } = [];

        public FineTuningResult FineTune(ClassifierModel start, CleanSet clean, FineTuningOptions options, PrunedUnits? pruned = null, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
        {
            Starts.Add(start);
            return new FineTuningResult(start, []);
        }

        public FineTuningResult Distill(ClassifierModel start, CleanSet clean, IReadOnlyList<SoftLabel> labelled, FineTuningOptions options, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default) =>
            FineTune(start, clean, options, null, progress, cancellationToken);
    }

    // The first four wait until all are there.
    private sealed class MeetingTuner : IFineTuner, IDisposable
    {
        private const int Meeting = 4;
        private readonly Barrier _barrier = new(Meeting);
        private int _calls;
        private int _met;

        public ConcurrentQueue<int> Threads { get; } = [];

        public bool AllMet => _met == Meeting;

        public FineTuningResult FineTune(ClassifierModel start, CleanSet clean, FineTuningOptions options, PrunedUnits? pruned = null, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
        {
            Threads.Enqueue(options.Threads);
            if (Interlocked.Increment(ref _calls) <= Meeting && _barrier.SignalAndWait(TimeSpan.FromSeconds(30), cancellationToken))
                Interlocked.Increment(ref _met);
            return new FineTuningResult(start, []);
        }

        public FineTuningResult Distill(ClassifierModel start, CleanSet clean, IReadOnlyList<SoftLabel> labelled, FineTuningOptions options, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public void Dispose() => _barrier.Dispose();
    }
}
