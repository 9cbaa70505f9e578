using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.FineTuning;
using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using TorchSharp;

namespace FineMixing.Torch.Tests.FineTuning;

public sealed class TrainingSnapshotsTests : IDisposable
{
    private const int StopAt = 7;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("finemixing-snapshots-");
    private readonly TinyModel _tiny = new();
    private readonly CleanSet _clean = CleanSet.FromExamples(TinyModel.Examples(41, 1));
    private readonly Notes _notes = new();

    private static FineTuningOptions Options => new() { Epochs = 3, BatchSize = 8, LearningRate = 1e-3, Dropout = 0.1, Threads = 2, MaxLength = 32 };

    private string Snapshots => Path.Combine(_folder.FullName, "training");

    public void Dispose()
    {
        _folder.Delete(recursive: true);
        _tiny.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void FineTune_AgainAfterAStop_GoesOnToTheSameBits(int shards)
    {
        var options = Options with { Shards = shards };
        var whole = new TorchFineTuner().FineTune(_tiny.Start, _clean, options);
        Stop(options);
        Assert.Single(Directory.GetFiles(Snapshots));

        var steps = new List<int>();
        var again = Tuner().FineTune(_tiny.Start, _clean, options, null, new Reporter(p => steps.Add(p.Step)));
        Assert.Equal(Enumerable.Range(StopAt + 1, 18 - StopAt), steps);
        Assert.Equal(whole.EpochLosses, again.EpochLosses);
        Assert.All(whole.Model.Weights.Tensors, t => Assert.Equal(whole.Model.Weights[t.Name].Bytes, again.Model.Weights[t.Name].Bytes));
        Assert.False(Directory.Exists(Snapshots));
        Assert.Contains(_notes.Lines, l => l.Contains("step 8 of 18", StringComparison.Ordinal));
    }

    [Fact]
    public void Key_NumbersWrittenAnotherWay_IsTheSame()
    {
        var data = TorchFineTuner.Inputs(_tiny.Start, _clean.Examples, Options);
        string Key() => TrainingKey.Of(_tiny.Start.Config, _tiny.Start.Weights, data, Options, lowPrecision: false, pruned: null);
        var (expected, culture) = (Key(), CultureInfo.CurrentCulture);
        var other = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        other.NumberFormat.NumberDecimalSeparator = ",";
        try
        {
            CultureInfo.CurrentCulture = other;
            Assert.Equal(expected, Key());
            Assert.Same(other, CultureInfo.CurrentCulture);
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    [Fact]
    public void FineTune_WithOtherOptionsDataOrStart_BeginsAnew()
    {
        Stop(Options);
        var other = CleanSet.FromExamples(TinyModel.Examples(41, 2));
        using var anotherStart = new TinyModel();
        var changed = anotherStart.Start with { Weights = anotherStart.Start.Weights.Clone() };
        var name = changed.Weights.Tensors[0].Name;
        changed.Weights[name].Bytes[0] ^= 1;
        foreach (var (start, clean, options) in new[] { (_tiny.Start, _clean, Options with { Seed = 2 }), (_tiny.Start, other, Options), (changed, _clean, Options), (_tiny.Start with { Config = _tiny.Start.Config with { Activation = "relu" } }, _clean, Options), (_tiny.Start with { Config = _tiny.Start.Config with { HiddenDropout = 0 } }, _clean, Options) })
        {
            var steps = 0;
            Tuner().FineTune(start, clean, options, null, new Reporter(_ => steps++));
            Assert.Equal(18, steps);
        }

        // The stopped run's snapshot is still there for it.
        Assert.Single(Directory.GetFiles(Snapshots));
    }

    [Fact]
    public void FineTune_FolderWhereTheSnapshotShouldBe_IsFinishedAllTheSame()
    {
        Stop(Options);
        var path = Assert.Single(Directory.GetFiles(Snapshots));
        File.Delete(path);
        Directory.CreateDirectory(path);
        Assert.Equal(3, Tuner().FineTune(_tiny.Start, _clean, Options).EpochLosses.Length);
        Assert.True(Directory.Exists(path));
    }

    [Fact]
    public void Remove_HalfWrittenSnapshot_IsRemovedToo()
    {
        Directory.CreateDirectory(Snapshots);
        File.WriteAllText(Path.Combine(Snapshots, "0123456789abcdef.snapshot.tmp"), "half");
        new TrainingSnapshots(Snapshots).Remove();
        Assert.False(Directory.Exists(Snapshots));
    }

    [Fact]
    public void FineTune_ManyRunsInOneFolder_AllFinish()
    {
        var snapshots = new TrainingSnapshots(Snapshots, TimeSpan.Zero);
        Parallel.For(0, 24, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
            new TorchFineTuner { Snapshots = snapshots }.FineTune(_tiny.Start, _clean, Options with { Seed = (ulong)i, Epochs = 1 }));
        Assert.False(Directory.Exists(Snapshots) && Directory.GetFiles(Snapshots).Length > 0);
    }

    [Theory]
    [InlineData("flipped")]
    [InlineData("cut")]
    [InlineData("empty")]
    public void FineTune_WithADamagedSnapshot_BeginsAnew(string damage)
    {
        Stop(Options);
        var file = Directory.GetFiles(Snapshots).Single();
        var bytes = File.ReadAllBytes(file);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(file, damage switch { "flipped" => bytes, "cut" => bytes[..(bytes.Length / 2)], _ => [] });
        var steps = 0;
        Tuner().FineTune(_tiny.Start, _clean, Options, null, new Reporter(_ => steps++));
        Assert.Equal(18, steps);
    }

    [Fact]
    public void FineTune_WhereNoSnapshotCanBeWritten_TrainsAndSaysSo()
    {
        File.WriteAllText(Snapshots, "a file where the folder should be");
        var result = Tuner().FineTune(_tiny.Start, _clean, Options);
        Assert.Equal(3, result.EpochLosses.Length);
        Assert.Single(_notes.Lines, l => l.Contains("without a snapshot", StringComparison.Ordinal));
    }

    [Fact]
    public void FineTune_ShorterThanTheInterval_WritesNothing()
    {
        new TorchFineTuner(_notes) { Snapshots = new TrainingSnapshots(Snapshots) }.FineTune(_tiny.Start, _clean, Options);
        Assert.False(Directory.Exists(Snapshots));
        Assert.Empty(_notes.Lines);
    }

    [Fact]
    public void FineTune_StoppedTwice_LosesNoStep()
    {
        var whole = new TorchFineTuner().FineTune(_tiny.Start, _clean, Options);
        Stop(Options);

        // No snapshot is due here: it is the stop that writes one.
        Stop(Options, new TorchFineTuner(_notes) { Snapshots = new TrainingSnapshots(Snapshots) }, StopAt + 4);
        var steps = new List<int>();
        var again = Tuner().FineTune(_tiny.Start, _clean, Options, null, new Reporter(p => steps.Add(p.Step)));
        Assert.Equal(Enumerable.Range(StopAt + 5, 14 - StopAt), steps);
        Assert.All(whole.Model.Weights.Tensors, t => Assert.Equal(whole.Model.Weights[t.Name].Bytes, again.Model.Weights[t.Name].Bytes));
    }

    [Fact]
    public void FineTune_KeepingFinishedRuns_DoesNotRepeatThem()
    {
        var kept = new TrainingSnapshots(Snapshots, TimeSpan.Zero) { KeepFinished = true };
        var tuner = new TorchFineTuner(_notes) { Snapshots = kept };
        var whole = tuner.FineTune(_tiny.Start, _clean, Options);
        var again = tuner.FineTune(_tiny.Start, _clean, Options, null, new Reporter(_ => Assert.Fail("repeated")));
        Assert.Equal(whole.EpochLosses, again.EpochLosses);
        Assert.All(whole.Model.Weights.Tensors, t => Assert.Equal(whole.Model.Weights[t.Name].Bytes, again.Model.Weights[t.Name].Bytes));
        Assert.Contains(_notes.Lines, l => l.Contains("All 18 steps", StringComparison.Ordinal));

        File.WriteAllText(Path.Combine(Snapshots, "mine.txt"), "not a snapshot");
        kept.Remove();
        Assert.Equal("mine.txt", Path.GetFileName(Assert.Single(Directory.GetFiles(Snapshots))));
        File.Delete(Path.Combine(Snapshots, "mine.txt"));
        tuner.FineTune(_tiny.Start, _clean, Options with { Epochs = 1 });
        kept.Remove();
        Assert.False(Directory.Exists(Snapshots));
    }

    [Fact]
    public void TensorAdamW_Transferred_TakesTheSameNextStep()
    {
        var config = _tiny.Start.Config;
        var inputs = TorchFineTuner.Inputs(_tiny.Start, _clean.Examples, Options).Take(8).ToArray();
        var path = Path.Combine(Snapshots, "one.snapshot");
        float[] Weights(bool restored, int steps)
        {
            using var scope = torch.NewDisposeScope();
            using var store = ParameterStore.Load(config, _tiny.Start.Weights, torch.CPU, lowPrecision: false, trainable: true);
            using var update = new TensorAdamW(store);
            void State(IStateTransfer transfer)
            {
                store.Transfer(transfer);
                update.Transfer(transfer);
            }

            if (restored)
                Assert.True(SnapshotFile.TryRead(path, "key", State));
            for (var i = 0; i < steps; i++)
            {
                var words = update.Gather(inputs);
                TrainingLoop.Backward(store, inputs, words, null, i, int.MaxValue);
                update.Step(words, 1e-3, 0.01, 1);
                if (i == 1)
                    SnapshotFile.Write(path, "key", State);
            }

            return [.. store.Master.data<float>()];
        }

        var whole = Weights(restored: false, steps: 3);
        Assert.Equal(whole, Weights(restored: true, steps: 1));
        Assert.False(SnapshotFile.TryRead(path, "another key", _ => Assert.Fail("not this run's")));
    }

    private TorchFineTuner Tuner() => new(_notes) { Snapshots = new TrainingSnapshots(Snapshots, TimeSpan.Zero) };

    private void Stop(FineTuningOptions options, TorchFineTuner? tuner = null, int at = StopAt)
    {
        using var source = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => (tuner ?? Tuner()).FineTune(_tiny.Start, _clean, options, null, new Reporter(p => { if (p.Step == at) source.Cancel(); }), source.Token));
    }

    private sealed class Reporter(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }

    [Fact]
    public void Constructor_NoFolderOrNegativeInterval_Refused()
    {
        Assert.Contains("expected a path", Assert.Throws<ArgumentException>(() => new TrainingSnapshots("")).Message, StringComparison.Ordinal);
        Assert.Contains("expected zero or more", Assert.Throws<ArgumentException>(() => new TrainingSnapshots("x", TimeSpan.FromSeconds(-1))).Message, StringComparison.Ordinal);
    }
}
