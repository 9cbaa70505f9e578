using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Pickle;
using FineMixing.Checkpoints.Safetensors;
using Microsoft.Extensions.Logging;

namespace FineMixing.Tests.Checkpoints.Pickle;

/// <summary>Files PyTorch wrote, against the same tensors in safetensors.</summary>
public class PickleOracleTests
{
    [Theory]
    [InlineData("bert/pytorch_model.bin")]
    [InlineData("bert")]
    [InlineData("bert-sharded")]
    [InlineData("bert-sharded/pytorch_model.bin.index.json")]
    [InlineData("nested.bin")]
    public void Open_BertOfTheReference_EqualsItsSafetensors(string name)
    {
        using var actual = Checkpoint.Open(SharedData.Path(["oracle", "pickle", .. name.Split('/')]));
        using var expected = SafetensorsCheckpoint.Open(SharedData.Path("oracle", "models", "bert", "model.safetensors"));
        Assert.IsType<PickleCheckpoint>(actual);
        AssertSame(expected, actual);
    }

    [Fact]
    public void Open_OrderedDictWithMetadata_HasTheShapesOfBert()
    {
        using var actual = PickleCheckpoint.Open(SharedData.Path("oracle", "pickle", "ordered-dict-with-metadata.bin"));
        using var expected = SafetensorsCheckpoint.Open(SharedData.Path("oracle", "models", "bert", "model.safetensors"));
        Assert.Equal(expected.Tensors.Select(t => t.ToString()).Order(StringComparer.Ordinal), actual.Tensors.Select(t => t.ToString()).Order(StringComparer.Ordinal));
        Assert.Equal(actual.Tensors.Count, StateDict.Load(actual).Tensors.Count);
    }

    [Theory]
    [InlineData("odd.bin")]
    [InlineData("odd-legacy.bin")]
    public void Open_EveryTypeAndKindOfView_HasTheExpectedValues(string name)
    {
        using var actual = PickleCheckpoint.Open(SharedData.Path("oracle", "pickle", name));
        using var expected = SafetensorsCheckpoint.Open(SharedData.Path("oracle", "pickle", "odd.expected.safetensors"));
        AssertSame(expected, actual);
    }

    [Theory]
    [InlineData("odd.bin", 1)]
    [InlineData("odd.bin", 7)]
    [InlineData("odd-legacy.bin", 64)]
    public void Read_InPieces_GivesTheSameBytesAsInOne(string name, int pieceBytes)
    {
        using var checkpoint = PickleCheckpoint.Open(SharedData.Path("oracle", "pickle", name));
        var whole = StateDict.Load(checkpoint);
        foreach (var tensor in checkpoint.Tensors)
        {
            var bytes = new byte[tensor.ByteLength];
            for (var offset = 0; offset < bytes.Length; offset += pieceBytes)
                checkpoint.Read(tensor, offset, bytes.AsSpan(offset, Math.Min(pieceBytes, bytes.Length - offset)));
            Assert.Equal(whole[tensor.Name].Bytes, bytes);
        }
    }

    [Fact]
    public void Read_ByManyThreads_GivesTheSameBytes()
    {
        using var checkpoint = PickleCheckpoint.Open(SharedData.Path("oracle", "pickle", "odd.bin"));
        var whole = StateDict.Load(checkpoint);
        Parallel.For(0, 2000, i =>
        {
            var tensor = checkpoint.Tensors[i % checkpoint.Tensors.Count];
            var offset = tensor.ByteLength / 3;
            var bytes = new byte[tensor.ByteLength - offset];
            checkpoint.Read(tensor, offset, bytes);
            Assert.Equal(whole[tensor.Name].Bytes[(int)offset..], bytes);
        });
    }

    [Theory]
    [InlineData("eval.bin", "__builtin__.eval")]
    [InlineData("exec-top.bin", "__builtin__.exec")]
    [InlineData("getattr.bin", "__builtin__.getattr")]
    [InlineData("os-system.bin", "posix.system")]
    [InlineData("popen.bin", "commands.Popen")]
    public void Open_FileWithCode_IsRefusedAndRunsNothing(string name, string asksFor)
    {
        var exception = Assert.Throws<CheckpointFormatException>(() => PickleCheckpoint.Open(SharedData.Path("oracle", "pickle", "hostile", name)));
        Assert.Contains($"'{asksFor}'", exception.Reason, StringComparison.Ordinal);
        Assert.Contains("nothing was run", exception.Reason, StringComparison.Ordinal);
        Assert.False(File.Exists("PWNED"));
        Assert.False(File.Exists(SharedData.Path("oracle", "pickle", "hostile") + "/PWNED"));
    }

    [Fact]
    public void Open_StateDictAmongOtherThings_SaysWhatItIgnores()
    {
        var log = new ListLogger();
        using var checkpoint = TorchFile.Open(TorchFile.Zip(new PickleAssembler()
            .EmptyDict().Mark().Text("w").Tensor("0", 6, 0, [2, 3], [3, 1]).Text("epoch").Int(3).Text("args").EmptyDict().SetItems().Stop().ToArray(), ("0", TorchFile.Floats(6))), log);
        Assert.Equal("w", Assert.Single(checkpoint.Tensors).Name);
        Assert.Contains("'epoch', 'args'", Assert.Single(log.Lines), StringComparison.Ordinal);
    }

    private static void AssertSame(ICheckpoint expected, ICheckpoint actual)
    {
        Assert.Equal(expected.Tensors.Select(t => t.ToString()).Order(StringComparer.Ordinal), actual.Tensors.Select(t => t.ToString()).Order(StringComparer.Ordinal));
        var (left, right) = (StateDict.Load(expected), StateDict.Load(actual));
        foreach (var tensor in left.Tensors)
            Assert.True(left[tensor.Name].Bytes.AsSpan().SequenceEqual(right[tensor.Name].Bytes), $"The values of {tensor} differ.");
    }

    private sealed class ListLogger : ILogger
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Lines.Add(formatter(state, exception));
    }
}
