using FineMixing.Datasets;
using FineMixing.Evaluation;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Torch.Evaluation;
using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.FineTuning;

/// <summary>Training and evaluation on a GPU against the CPU.</summary>
public class GpuTests
{
    private static readonly FineTuningOptions OnCpu = new() { LearningRate = 3e-3, Epochs = 6, BatchSize = 16, Precision = Precision.Float32, Threads = 1 };
    private static readonly FineTuningOptions OnGpu = OnCpu with { Device = "cuda" };

    [Fact]
    public void FineTune_WithoutDropout_FollowsTheCpu()
    {
        NeedsGpu();
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(41, 1));
        var plain = new FineTuningOptions { LearningRate = 1e-3, Epochs = 6, Dropout = 0, Precision = Precision.Float32, Threads = 1, Shards = 1 };
        var host = new TorchFineTuner().FineTune(tiny.Start, clean, plain);
        var device = new TorchFineTuner().FineTune(tiny.Start, clean, plain with { Device = "cuda:0" });
        Assert.All(host.EpochLosses.Zip(device.EpochLosses), p => Assert.InRange(p.Second / p.First, 1 - 1e-3, 1 + 1e-3));
        Assert.All(host.Model.Weights.Tensors, t => Assert.InRange(Largest(host.Model, device.Model, t.Name), 0, 1e-2f));
    }

    [Theory]
    [InlineData(Precision.Float32)]
    [InlineData(Precision.BFloat16)]
    public void FineTune_LearnableTask_LearnsIt(Precision precision)
    {
        NeedsGpu();
        using var tiny = new TinyModel();
        var result = new TorchFineTuner().FineTune(tiny.Start, CleanSet.FromExamples(TinyModel.Examples(200, 1)), OnGpu with { Precision = precision });
        Assert.True(result.EpochLosses[^1] < 0.2 * result.EpochLosses[0], string.Join(", ", result.EpochLosses));
        var test = TinyModel.Examples(100, 2);
        var logits = new TorchPredictor().Logits(result.Model, test, new PredictionOptions { Device = "cuda", Precision = precision });
        Assert.InRange(logits.Zip(test).Count(p => (p.First[1] > p.First[0] ? 1 : 0) == p.Second.Label) / 100.0, 0.95, 1);
    }

    [Theory]
    [InlineData(Precision.Float32, false)]
    [InlineData(Precision.BFloat16, false)]
    [InlineData(Precision.BFloat16, true)]
    public void FineTune_SameSeed_GivesSameBits(Precision precision, bool checkpointing)
    {
        NeedsGpu();
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(60, 1));
        ClassifierModel Tune(bool saving) => new TorchFineTuner().FineTune(tiny.Start, clean, OnGpu with { Precision = precision, ActivationCheckpointing = saving }).Model;
        var (first, second) = (Tune(false), Tune(checkpointing));
        Assert.All(first.Weights.Tensors, t => Assert.Equal(first.Weights[t.Name].Bytes, second.Weights[t.Name].Bytes));
    }

    [Fact]
    public void FineTune_StoppedAndGoingOn_GivesSameBits()
    {
        NeedsGpu();
        using var tiny = new TinyModel();
        using var folder = new FineMixing.Tests.TemporaryFolder();
        var clean = CleanSet.FromExamples(TinyModel.Examples(60, 1));
        var whole = new TorchFineTuner().FineTune(tiny.Start, clean, OnGpu).Model;
        var tuner = new TorchFineTuner { Snapshots = new TrainingSnapshots(folder["snapshots"]) { Interval = TimeSpan.Zero } };
        using var source = new CancellationTokenSource();
        var progress = new Stopper(source, 7);
        Assert.Throws<OperationCanceledException>(() => tuner.FineTune(tiny.Start, clean, OnGpu, null, progress, source.Token));
        var resumed = tuner.FineTune(tiny.Start, clean, OnGpu).Model;
        Assert.All(whole.Weights.Tensors, t => Assert.Equal(whole.Weights[t.Name].Bytes, resumed.Weights[t.Name].Bytes));
    }

    [Fact]
    public void FineTune_PrunedUnits_StayZero()
    {
        NeedsGpu();
        using var tiny = new TinyModel();
        var tuner = new TorchFineTuner();
        var clean = CleanSet.FromExamples(TinyModel.Examples(40, 1));
        var activations = tuner.MeanAbsoluteActivations(tiny.Start, clean, OnGpu);
        var expected = tuner.MeanAbsoluteActivations(tiny.Start, clean, OnCpu);
        Assert.All(expected.Zip(activations), layer => Assert.All(layer.First.Zip(layer.Second), u => Assert.InRange(u.Second - u.First, -1e-4, 1e-4)));
        var pruned = PrunedUnits.Dormant(activations, 0.25);
        var start = tiny.Start with { Weights = pruned.Apply(tiny.Start.Weights, null) };
        var tuned = tuner.FineTune(start, clean, OnGpu with { Precision = Precision.BFloat16 }, pruned).Model.Weights;
        const string Name = "bert.encoder.layer.1.intermediate.dense.weight";
        var columns = (int)tuned[Name].Info.Shape[1];
        Assert.All(pruned.PerLayer[1], unit => Assert.True(tuned[Name].ToFloat32().AsSpan(unit * columns, columns).IndexOfAnyExcept(0f) < 0));
    }

    [Fact]
    public void Logits_ManyBatches_AreTheCpusInInputOrder()
    {
        NeedsGpu();
        using var tiny = new TinyModel();
        var examples = TinyModel.Examples(301, 4);
        var host = new TorchPredictor().Logits(tiny.Start, examples, new PredictionOptions { Precision = Precision.Float32 });
        foreach (var tokens in new[] { 0, 64 })
        {
            var device = new TorchPredictor().Logits(tiny.Start, examples, new PredictionOptions { Precision = Precision.Float32, Device = "cuda", TokensPerBatch = tokens });
            Assert.All(host.Zip(device), pair => Assert.All(pair.First.Zip(pair.Second), v => Assert.InRange(v.Second - v.First, -1e-4f, 1e-4f)));
        }
    }

    [Fact]
    public void FineTune_ThousandSteps_LeavesNoTensorBehind()
    {
        NeedsGpu();
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(16, 1));
        var tuner = new TorchFineTuner();
        tuner.FineTune(tiny.Start, clean, OnGpu);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        tuner.FineTune(tiny.Start, clean, OnGpu with { BatchSize = 2, LearningRate = 1e-5, Epochs = 125 });
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Logits_GpuArrangement_IsTheCpusOnTheCpuToo()
    {
        // The embeddings as a GPU computes them, compared where every machine can.
        using var tiny = new TinyModel();
        using var scope = NewDisposeScope();
        using var store = ParameterStore.Load(tiny.Start.Config, tiny.Start.Weights, CPU, lowPrecision: false, trainable: true);
        var inputs = TorchFineTuner.Inputs(tiny.Start, TinyModel.Examples(9, 3), OnCpu);
        var batch = new DeviceBatch(inputs, 0, id => id, CPU, lowPrecision: false);
        var words = store.Words.detach().requires_grad_(true);
        var (rows, types) = FastBert.InOrder(words, store.Types.Leaf, batch);
        Assert.True(rows.eq(words.index_select(0, batch.WordIndex)).all().item<bool>());
        Assert.True(types.eq(store.Types.Leaf.index_select(0, batch.TypeIndex)).all().item<bool>());
        (rows * rows).sum().backward();
        var gradient = words.grad!.clone();
        words.grad!.zero_();
        words.index_select(0, batch.WordIndex).square().sum().backward();
        Assert.True(gradient.allclose(words.grad!));
    }

    private static void NeedsGpu() => Assert.SkipUnless(cuda.is_available(), "There is no GPU here.");

    private static float Largest(ClassifierModel a, ClassifierModel b, string name) =>
        a.Weights[name].ToFloat32().Zip(b.Weights[name].ToFloat32(), (x, y) => Math.Abs(x - y)).Max();

    private sealed class Stopper(CancellationTokenSource source, int step) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Step == step)
                source.Cancel();
        }
    }
}
