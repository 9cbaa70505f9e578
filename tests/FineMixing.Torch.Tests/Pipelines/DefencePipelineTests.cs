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
using FineMixing.Torch.Attacks;
using FineMixing.Torch.Evaluation;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Torch.Tests.Pipelines;

/// <summary>A backdoor planted in a tiny encoder, and every defence run against it.</summary>
public sealed class DefencePipelineTests : IClassFixture<DefencePipelineTests.Backdoored>
{
    private static readonly FineTuningOptions Training = new() { LearningRate = 2e-3, Epochs = 8, BatchSize = 16, Precision = Precision.Float32, Threads = 1 };
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
    public void Run_TriggerUnlearning_FindsTheTriggerAndKeepsWhatTheSuspectKnows()
    {
        // Of thirty words every one is frequent: without random words none of the made texts has the trigger.
        var options = Options(DefenceMethod.TriggerUnlearning) with { PurifyTopK = 3 };
        options = options with { Distillation = options.Distillation! with { RandomShare = 0, Texts = 600 } };
        var first = _suspect.Defend(options);
        Assert.Equal("cf", first.Probe!.Unlearned!.Text);
        Assert.Equal(1, first.Probe.Unlearned.TargetLabel);
        Assert.InRange(first.Probe.EvidenceLeft!.Value, -1, 0.3);
        Assert.Equal(0.8, first.ReserveRatio);
        var (accuracy, attack) = _suspect.Measure(first.Model);
        Assert.InRange(accuracy, 0.9, 1);
        Assert.InRange(attack, 0, 0.1);
        var second = _suspect.Defend(options);
        Assert.All(first.Model.Weights.Tensors, t => Assert.Equal(first.Model.Weights[t.Name].Bytes, second.Model.Weights[t.Name].Bytes));
    }

    [Fact]
    public void Run_TriggerUnlearning_CleanClassifierHasNoTriggerAndTheDistilledModelIsTaken()
    {
        var clean = _suspect.TrainClean();
        var result = _suspect.Defend(Options(DefenceMethod.TriggerUnlearning), suspect: clean);
        Assert.Null(result.Probe!.Unlearned);
        Assert.NotEmpty(result.Probe.Phrases);
        Assert.Equal(0.3, result.ReserveRatio);
        var distilled = _suspect.Defend(Options(DefenceMethod.Distillation), suspect: clean);
        Assert.All(result.Model.Weights.Tensors, t => Assert.Equal(distilled.Model.Weights[t.Name].Bytes, result.Model.Weights[t.Name].Bytes));
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
        private readonly TriggeredTestSet _triggered;

        public Backdoored()
        {
            var poisoned = Poisoner.Poison(CleanSet.FromExamples(TinyModel.Examples(600, 1)), new WordTrigger("cf"), new PoisonerOptions { PoisonRate = 0.3 });
            Model = new BadNets().Plant(_tiny.Start, poisoned, Training with { LearningRate = 3e-3 }).Model;
            Clean = CleanSet.FromExamples(TinyModel.Examples(200, 9));
            _triggered = TriggeredTestSet.Create(_test, new WordTrigger("cf"), 1);
        }

        internal ClassifierModel Model { get; }

        internal StateDict Base => _tiny.Encoder.Weights;

        internal CleanSet Clean { get; }

        internal ClassifierModel TrainClean() => new BadNets().TrainClean(_tiny.Start, CleanSet.FromExamples(TinyModel.Examples(600, 1)), Training with { LearningRate = 3e-3 }).Model;

        internal DefenceResult Defend(DefenceOptions options, StateDict? @base = null, ClassifierModel? suspect = null)
        {
            var tuner = new TorchFineTuner();
            return new DefencePipeline(tuner, tuner, new TorchPredictor()).Run(suspect ?? Model, @base ?? Base, Clean, options);
        }

        internal (double Accuracy, double Attack) Measure(ClassifierModel model)
        {
            IReadOnlyList<int> Predict(IReadOnlyList<TextExample> examples) =>
                Predictions.FromLogits(new TorchPredictor().Logits(model, examples, new PredictionOptions { Precision = Precision.Float32, Threads = 1 }));
            return (ConfusionMatrix.Create(_test.Examples, Predict(_test.Examples), 2).Accuracy.Rate,
                _triggered.Measure(Predict(_triggered.WithTrigger), Predict(_triggered.WithoutTrigger)).AttackSuccessRate.Rate);
        }

        public void Dispose() => _tiny.Dispose();
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
            throw new InvalidOperationException("Not part of this defence.");
    }
}
