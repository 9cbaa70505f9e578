using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.Evaluation;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Torch.Evaluation;
using FineMixing.Torch.FineTuning;
using TorchSharp;

namespace FineMixing.Torch.Tests.FineTuning;

public class TorchFineTunerTests
{
    private static readonly FineTuningOptions Quick = new() { LearningRate = 3e-3, Epochs = 6, BatchSize = 16, Precision = Precision.Float32, Threads = 1 };

    [Fact]
    public void FineTune_LearnableTask_LearnsIt()
    {
        using var tiny = new TinyModel();
        var result = new TorchFineTuner().FineTune(tiny.Start, CleanSet.FromExamples(TinyModel.Examples(200, 1)), Quick);
        Assert.True(result.EpochLosses[^1] < 0.2 * result.EpochLosses[0], string.Join(", ", result.EpochLosses));
        Assert.InRange(Accuracy(result.Model, TinyModel.Examples(100, 2)), 0.95, 1);
        Assert.InRange(Accuracy(tiny.Start, TinyModel.Examples(100, 2)), 0, 0.8);
    }

    [Fact]
    public void FineTune_SameSeed_GivesSameBits()
    {
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(40, 1));
        var tuner = new TorchFineTuner();
        var first = tuner.FineTune(tiny.Start, clean, Quick).Model.Weights;
        var second = tuner.FineTune(tiny.Start, clean, Quick).Model.Weights;
        var other = tuner.FineTune(tiny.Start, clean, Quick with { Seed = 2 }).Model.Weights;
        Assert.All(first.Tensors, t => Assert.Equal(first[t.Name].Bytes, second[t.Name].Bytes));
        Assert.Contains(first.Tensors, t => !first[t.Name].Bytes.AsSpan().SequenceEqual(other[t.Name].Bytes));
    }

    [Fact]
    public void FineTune_DoesNotChangeItsStart()
    {
        using var tiny = new TinyModel();
        var before = tiny.Start.Weights.Clone();
        new TorchFineTuner().FineTune(tiny.Start, CleanSet.FromExamples(TinyModel.Examples(20, 1)), Quick with { Epochs = 1 });
        Assert.All(before.Tensors, t => Assert.Equal(before[t.Name].Bytes, tiny.Start.Weights[t.Name].Bytes));
    }

    [Fact]
    public void FineTune_BFloat16_LearnsAsWellAsSinglePrecision()
    {
        Assert.SkipUnless(Hardware.CpuHasBFloat16, "This CPU has no bfloat16 matrix products.");
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(200, 1));
        var tuner = new TorchFineTuner();
        var single = tuner.FineTune(tiny.Start, clean, Quick);
        var low = tuner.FineTune(tiny.Start, clean, Quick with { Precision = Precision.BFloat16 });
        Assert.InRange(low.EpochLosses[0] / single.EpochLosses[0], 0.95, 1.05);
        Assert.InRange(Accuracy(low.Model, TinyModel.Examples(100, 2)), 0.95, 1);
    }

    [Fact]
    public void FineTune_PrunedUnits_AreZeroFromTheFirstStepOn()
    {
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(20, 1));
        var pruned = new PrunedUnits([[.. Enumerable.Range(0, 40)], [.. Enumerable.Range(10, 30)]]);
        var once = Quick with { Epochs = 1, BatchSize = 20, Dropout = 0 };
        var zeroed = tiny.Start with { Weights = pruned.Apply(tiny.Start.Weights, null) };
        Assert.Equal(new TorchFineTuner().FineTune(zeroed, clean, once, pruned).EpochLosses, new TorchFineTuner().FineTune(tiny.Start, clean, once, pruned).EpochLosses);
        Assert.NotEqual(new TorchFineTuner().FineTune(zeroed, clean, once, pruned).EpochLosses, new TorchFineTuner().FineTune(tiny.Start, clean, once).EpochLosses);
    }

    public static TheoryData<PrunedUnits, string> UnfitUnits => new()
    {
        { new([[3, 64]]), "unit 64 of layer 0 is outside 0..63" },
        { new([[], [-1]]), "unit -1 of layer 1 is outside 0..63" },
        { new([[], [], [1]]), "units of 3 layers; the model has 2" },
        { new([default, [1]]), "not set" },
        { new(default), "not set" },
    };

    [Theory]
    [MemberData(nameof(UnfitUnits))]
    public void FineTune_UnitsTheModelLacks_AreNamed(PrunedUnits units, string expected)
    {
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(20, 1));
        Assert.Contains(expected, Assert.Throws<ArgumentException>(() => new TorchFineTuner().FineTune(tiny.Start, clean, Quick, units)).Message, StringComparison.Ordinal);
        Assert.Contains(expected, Assert.Throws<ArgumentException>(() => units.Apply(tiny.Start.Weights, null)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FineTuneAndPredict_PairsForAModelOfOneSegment_NameTheText()
    {
        using var tiny = new TinyModel();
        var single = tiny.Start with { Config = tiny.Start.Config with { TypeVocabularySize = 1 }, Weights = tiny.Start.Weights.Clone() };
        const string Types = "bert.embeddings.token_type_embeddings.weight";
        single.Weights.Replace(HostTensor.FromFloat32(Types, [1, 32], single.Weights[Types].ToFloat32().AsSpan(0, 32)));
        TextExample[] texts = [.. TinyModel.Examples(3, 1), new("one", "two", 1)];
        var expected = "Text 4 is a pair, but the model has embeddings of 1 segment";
        Assert.StartsWith(expected, Assert.Throws<ArgumentException>(() => new TorchPredictor().Logits(single, texts)).Message, StringComparison.Ordinal);
        Assert.StartsWith(expected, Assert.Throws<ArgumentException>(() => new TorchFineTuner().FineTune(single, CleanSet.FromExamples(texts), Quick)).Message, StringComparison.Ordinal);
        Assert.Equal(3, new TorchPredictor().Logits(single, texts[..3]).Count);
    }

    [Fact]
    public void FineTune_BadOptions_AreAllListedBeforeAnythingIsRead()
    {
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(4, 1));
        var bad = Quick with { MaxLength = 2, Epochs = 0 };
        foreach (var error in new[] { Assert.Throws<ArgumentException>(() => new TorchFineTuner().FineTune(tiny.Start, clean, bad)), Assert.Throws<ArgumentException>(() => new TorchFineTuner().Distill(tiny.Start, clean, [], bad)) })
        {
            Assert.Contains("MaxLength is 2", error.Message, StringComparison.Ordinal);
            Assert.Contains("Epochs is 0", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void FineTuneAndPredict_DefaultTypeOfTheApplication_ChangesNothing()
    {
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(20, 1));
        foreach (var options in new[] { Quick with { Epochs = 2 }, Quick with { Epochs = 2, Shards = 1 } })
        {
            var (losses, logits) = (new TorchFineTuner().FineTune(tiny.Start, clean, options).EpochLosses, new TorchPredictor().Logits(tiny.Start, clean.Examples));
            foreach (var type in new[] { torch.float64, torch.bfloat16 })
            {
                torch.set_default_dtype(type);
                try
                {
                    Assert.Equal(losses, new TorchFineTuner().FineTune(tiny.Start, clean, options).EpochLosses);
                    Assert.Equal(logits, new TorchPredictor().Logits(tiny.Start, clean.Examples));
                }
                finally
                {
                    torch.set_default_dtype(torch.float32);
                }
            }
        }
    }

    [Fact]
    public void FineTune_PrunedUnits_StayZero()
    {
        using var tiny = new TinyModel();
        var tuner = new TorchFineTuner();
        var clean = CleanSet.FromExamples(TinyModel.Examples(40, 1));
        var pruned = PrunedUnits.Dormant(tuner.MeanAbsoluteActivations(tiny.Start, clean, Quick), 0.25);
        Assert.All(pruned.PerLayer, units => Assert.Equal(48, units.Length));
        var start = tiny.Start with { Weights = pruned.Apply(tiny.Start.Weights, null) };
        var frozen = tuner.FineTune(start, clean, Quick, pruned).Model.Weights;
        var free = tuner.FineTune(start, clean, Quick).Model.Weights;
        for (var layer = 0; layer < 2; layer++)
        {
            var name = $"bert.encoder.layer.{layer}.intermediate.dense.weight";
            var columns = (int)frozen[name].Info.Shape[1];
            bool IsZero(StateDict weights, int unit) => weights[name].ToFloat32().AsSpan(unit * columns, columns).IndexOfAnyExcept(0f) < 0;
            Assert.All(pruned.PerLayer[layer], unit => Assert.True(IsZero(frozen, unit)));

            // A unit without input, bias and output has no gradient either: fine-pruning and fine-pruning (F) agree for whole units.
            Assert.All(pruned.PerLayer[layer], unit => Assert.True(IsZero(free, unit)));
            Assert.Contains(Enumerable.Range(0, 64).Except(pruned.PerLayer[layer]), unit => !IsZero(free, unit));
        }
    }

    [Fact]
    public void FineTune_Default_SameBitsForOneAndTwoThreads()
    {
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(41, 1));
        var tuner = new TorchFineTuner();
        var one = tuner.FineTune(tiny.Start, clean, Quick with { Threads = 1 }).Model.Weights;
        var two = tuner.FineTune(tiny.Start, clean, Quick with { Threads = 2 }).Model.Weights;
        var whole = tuner.FineTune(tiny.Start, clean, Quick with { Shards = 1, Threads = 1 }).Model.Weights;
        Assert.All(one.Tensors, t => Assert.Equal(one[t.Name].Bytes, two[t.Name].Bytes));
        Assert.Contains(one.Tensors, t => !one[t.Name].Bytes.AsSpan().SequenceEqual(whole[t.Name].Bytes));
    }

    [Fact]
    public void FineTune_TwoShardsWithoutDropout_FollowsTheWholeBatch()
    {
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(41, 1));
        var plain = Quick with { Dropout = 0, LearningRate = 1e-3 };
        var tuner = new TorchFineTuner();
        var whole = tuner.FineTune(tiny.Start, clean, plain with { Shards = 1 }).EpochLosses;
        var halves = tuner.FineTune(tiny.Start, clean, plain with { Shards = 2, Threads = 2 }).EpochLosses;
        Assert.All(whole.Zip(halves), p => Assert.InRange(p.Second / p.First, 1 - 1e-5, 1 + 1e-5));
    }

    [Fact]
    public void FineTune_TwoShardsCancelled_LeavesNoThreadOrTensor()
    {
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(40, 1));
        var tuner = new TorchFineTuner();
        var options = Quick with { Shards = 2, Threads = 2 };
        tuner.FineTune(tiny.Start, clean, options);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        using var source = new CancellationTokenSource();
        var progress = new Reporter<TrainingProgress>(p => { if (p.Step == 2) source.Cancel(); });
        Assert.Throws<OperationCanceledException>(() => tuner.FineTune(tiny.Start, clean, options, null, progress, source.Token));
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void FineTune_Cancelled_Throws()
    {
        using var tiny = new TinyModel();
        using var source = new CancellationTokenSource();
        var progress = new Reporter<TrainingProgress>(p => { if (p.Step == 2) source.Cancel(); });
        Assert.Throws<OperationCanceledException>(() =>
            new TorchFineTuner().FineTune(tiny.Start, CleanSet.FromExamples(TinyModel.Examples(40, 1)), Quick, null, progress, source.Token));
        Assert.Equal(2, progress.Reports.Count);
    }

    [Fact]
    public void FineTune_BadOptions_ListsAll()
    {
        using var tiny = new TinyModel();
        var bad = new FineTuningOptions { LearningRate = -1, Epochs = 0, Device = "gpu" };
        var error = Assert.Throws<ArgumentException>(() => new TorchFineTuner().FineTune(tiny.Start, CleanSet.FromExamples(TinyModel.Examples(4, 1)), bad));
        Assert.Contains("LearningRate", error.Message);
        Assert.Contains("Epochs", error.Message);
        Assert.Contains("'gpu'", error.Message);
    }

    [Fact]
    public void FineTune_MoreClassesThanModel_Throws()
    {
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples([new("good", null, 0), new("bad", null, 1), new("film", null, 2)]);
        Assert.Contains("3 classes", Assert.Throws<ArgumentException>(() => new TorchFineTuner().FineTune(tiny.Start, clean, Quick)).Message);
    }

    [Fact]
    public void FineTune_HugeLearningRate_SaysItDiverged()
    {
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(40, 1));
        var error = Assert.Throws<TrainingDivergedException>(() => new TorchFineTuner().FineTune(tiny.Start, clean, Quick with { LearningRate = 1e38, WeightDecay = 0, Epochs = 20 }));
        Assert.Contains("step", error.Message);
    }

    [Fact]
    public void FineTune_MissingDevice_SaysSo()
    {
        Assert.SkipWhen(torch.cuda.is_available(), "There is a GPU here.");
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(4, 1));
        Assert.Contains("cuda:0", Assert.Throws<ArgumentException>(() => new TorchFineTuner().FineTune(tiny.Start, clean, Quick with { Device = "cuda:0" })).Message);
    }

    [Fact]
    public void FineTune_FewTokensPerPass_RunsInParts()
    {
        // Each part has dropout masks of its own; without noise parts change nothing.
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(40, 1));
        double Loss(int tokens, double? dropout) => new TorchFineTuner().FineTune(tiny.Start, clean, Quick with { TokensPerPass = tokens, Dropout = dropout, Epochs = 1 }).EpochLosses[0];
        Assert.NotEqual(Loss(8192, 0.5), Loss(32, 0.5), 1e-4);
        Assert.Equal(Loss(8192, 0), Loss(32, 0), 1e-5);
    }

    [Fact]
    public void FineTune_InsideNoGradAndInferenceMode_Trains()
    {
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(40, 1));
        var expected = new TorchFineTuner().FineTune(tiny.Start, clean, Quick with { Epochs = 1 }).EpochLosses;
        using (torch.no_grad())
            Assert.Equal(expected, new TorchFineTuner().FineTune(tiny.Start, clean, Quick with { Epochs = 1 }).EpochLosses);
        using (torch.inference_mode())
            Assert.Equal(expected, new TorchFineTuner().FineTune(tiny.Start, clean, Quick with { Epochs = 1 }).EpochLosses);
    }

    [Fact]
    public void DistillEncoder_InsideNoGradAndInferenceMode_Trains()
    {
        using var tiny = new TinyModel();
        string[] texts = [.. TinyModel.Examples(20, 1).Select(e => e.Text)];
        IReadOnlyList<double> Losses() => new EncoderDistillation().Distill(tiny.Start, tiny.Start, texts, Quick with { Epochs = 1 }).EpochLosses;
        var expected = Losses();
        using (torch.no_grad())
            Assert.Equal(expected, Losses());
        using (torch.inference_mode())
            Assert.Equal(expected, Losses());
    }

    [Fact]
    public void FineTune_BatchOfAnySize_IsTheWholeSet()
    {
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(40, 1));
        var tuner = new TorchFineTuner();
        Assert.Equal(tuner.FineTune(tiny.Start, clean, Quick with { BatchSize = 40 }).EpochLosses, tuner.FineTune(tiny.Start, clean, Quick with { BatchSize = int.MaxValue }).EpochLosses);
        Assert.Contains("steps", Assert.Throws<ArgumentException>(() => tuner.FineTune(tiny.Start, clean, Quick with { BatchSize = 1, Epochs = int.MaxValue })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FineTune_TenThousandSteps_LeavesNoTensorBehind()
    {
        using var tiny = new TinyModel();
        var tuner = new TorchFineTuner();
        var clean = CleanSet.FromExamples(TinyModel.Examples(16, 1));
        var options = Quick with { BatchSize = 2, LearningRate = 1e-5, MaxLength = 8, Epochs = 1250 };
        tuner.FineTune(tiny.Start, clean, Quick);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var live = new List<long>();
        var progress = new Reporter<TrainingProgress>(p => live.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount));
        tuner.FineTune(tiny.Start, clean, options, null, progress);
        Assert.Equal(10_000, live.Count);
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        // Nor while it runs: batches differ in what they need (padding or none), so the largest count of the first and the last thousand steps are compared.
        Assert.Equal(live.Take(1000).Max(), live.TakeLast(1000).Max());
    }

    [Fact]
    public void FineTune_ActivationCheckpointing_GivesSameBits()
    {
        using var tiny = new TinyModel();
        var clean = CleanSet.FromExamples(TinyModel.Examples(40, 1));
        var tuner = new TorchFineTuner();
        var plain = tuner.FineTune(tiny.Start, clean, Quick).Model.Weights;
        var (made, again) = (DisposeScopeManager.Statistics.CreatedInScopeCount, Quick with { ActivationCheckpointing = true });
        tuner.FineTune(tiny.Start, clean, Quick);
        var once = DisposeScopeManager.Statistics.CreatedInScopeCount - made;
        made = DisposeScopeManager.Statistics.CreatedInScopeCount;
        var checkpointed = tuner.FineTune(tiny.Start, clean, again).Model.Weights;

        // Layers that run twice make more tensors.
        Assert.InRange(DisposeScopeManager.Statistics.CreatedInScopeCount - made, 1.1 * once, 3.0 * once);
        Assert.All(plain.Tensors, t => Assert.Equal(plain[t.Name].Bytes, checkpointed[t.Name].Bytes));
    }

    [Fact]
    public void Distill_SoftLabels_AreLearned()
    {
        using var tiny = new TinyModel();
        var tuner = new TorchFineTuner();
        var clean = CleanSet.FromExamples(TinyModel.Examples(8, 1));
        var soft = TinyModel.Examples(300, 5).Select(e => new SoftLabel(e.Text, null, e.Label == 1 ? [0.2f, 0.8f] : [0.8f, 0.2f])).ToList();
        var model = tuner.Distill(tiny.Start, clean, soft, Quick).Model;
        var logits = new TorchPredictor().Logits(model, TinyModel.Examples(100, 2), new PredictionOptions { Precision = Precision.Float32 });
        var sure = logits.Average(l => 1 / (1 + Math.Exp(-Math.Abs(l[1] - l[0]))));
        Assert.InRange(Accuracy(model, TinyModel.Examples(100, 2)), 0.95, 1);
        Assert.InRange(sure, 0.7, 0.9);
    }

    private static double Accuracy(ClassifierModel model, IReadOnlyList<TextExample> examples) => ConfusionMatrix.Create(
        examples, Predictions.FromLogits(new TorchPredictor().Logits(model, examples, new PredictionOptions { Precision = Precision.Float32, Threads = 1 })), 2).Accuracy.Rate;
}
