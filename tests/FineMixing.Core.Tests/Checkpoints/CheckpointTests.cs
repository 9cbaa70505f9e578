using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Safetensors;
using Microsoft.Extensions.Logging;

namespace FineMixing.Tests.Checkpoints;

public class CheckpointTests
{
    private static readonly StateDict Sample = StateDicts.Random(1, new TensorInfo("w", DType.F32, [2]));

    [Fact]
    public void Open_NothingThere_NamesThePath()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<DirectoryNotFoundException>(() => Checkpoint.Open(folder["absent"]));
        Assert.Contains(folder["absent"], error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_FolderWithoutWeights_SaysWhatIsThereAndWhatIsExpected()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["config.json"], "{}");
        var error = Assert.Throws<FileNotFoundException>(() => Checkpoint.Open(folder.Path));
        Assert.Contains("model.safetensors", error.Message, StringComparison.Ordinal);
        Assert.Contains("It has config.json", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_SafetensorsAndPyTorch_ReadsSafetensorsAndLogsIt()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path);
        File.WriteAllText(folder["pytorch_model.bin"], "never opened");
        var log = new ListLogger();
        using var checkpoint = Checkpoint.Open(folder.Path, log);
        Assert.IsType<SafetensorsCheckpoint>(checkpoint);
        var message = Assert.Single(log.Messages);
        Assert.Contains("pytorch_model.bin", message, StringComparison.Ordinal);
        Assert.EndsWith("reading model.safetensors.", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_OneCheckpoint_LogsNothing()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path);
        var log = new ListLogger();
        Checkpoint.Open(folder.Path, log).Dispose();
        Assert.Empty(log.Messages);
    }

    [Fact]
    public void Open_FileOrIndex_IsReadAlone()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(StateDicts.Random(1, new TensorInfo("a", DType.F32, [2]), new TensorInfo("b", DType.F32, [2])), folder.Path, new CheckpointWriterOptions { MaxShardBytes = 8 });
        using var shard = Checkpoint.Open(folder["model-00001-of-00002.safetensors"]);
        using var all = Checkpoint.Open(folder["model.safetensors.index.json"]);
        Assert.Single(shard.Tensors);
        Assert.Equal(2, all.Tensors.Count);
    }

    [Fact]
    public void Open_UnreadableFile_IsAnAccessError()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess, "A privileged user may read everything.");
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(folder["model.safetensors"], UnixFileMode.None);
        var error = Assert.Throws<UnauthorizedAccessException>(() => Checkpoint.Open(folder.Path));
        Assert.Contains("model.safetensors", error.Message, StringComparison.Ordinal);
    }

    private sealed class ListLogger : ILogger
    {
        public List<string> Messages { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Messages.Add(formatter(state, exception));
    }
}
