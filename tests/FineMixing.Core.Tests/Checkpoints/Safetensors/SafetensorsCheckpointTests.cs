using System.Diagnostics;
using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Safetensors;

namespace FineMixing.Tests.Checkpoints.Safetensors;

public class SafetensorsCheckpointTests
{
    private static readonly StateDict Sample = StateDicts.Random(5, new TensorInfo("w", DType.F32, [100, 100]), new TensorInfo("b", DType.U8, [3]));

    [Fact]
    public void Read_PartsFromManyThreads_AreTheStoredBytes()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path);
        using var checkpoint = SafetensorsCheckpoint.Open(folder["model.safetensors"]);
        var w = checkpoint.Tensors.Single(t => t.Name == "w");
        var expected = StateDicts.Bytes(Sample, w);
        Parallel.For(0, 200, i =>
        {
            var part = new byte[i + 1];
            checkpoint.Read(w, i * 190, part);
            Assert.True(part.AsSpan().SequenceEqual(expected.AsSpan(i * 190, i + 1)));
        });
    }

    [Fact]
    public void Read_OutsideTheTensor_IsAnArgumentError()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path);
        using var checkpoint = SafetensorsCheckpoint.Open(folder["model.safetensors"]);
        var b = checkpoint.Tensors.Single(t => t.Name == "b");
        Assert.Throws<ArgumentOutOfRangeException>(() => checkpoint.Read(b, 0, new byte[4]));
        Assert.Throws<ArgumentOutOfRangeException>(() => checkpoint.Read(b, 3, new byte[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => checkpoint.Read(b, -1, new byte[1]));
        Assert.Throws<ArgumentException>(() => checkpoint.Read(b.WithName("other"), 0, new byte[1]));
    }

    [Fact]
    public void TryGetFileSegment_EveryTensor_LeadsToItsBytes()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path, new CheckpointWriterOptions { MaxShardBytes = 10 });
        using var checkpoint = (IFileCheckpoint)Checkpoint.Open(folder.Path);
        foreach (var tensor in checkpoint.Tensors)
        {
            Assert.True(checkpoint.TryGetFileSegment(tensor, out var handle, out var offset));
            Assert.Equal(0, offset % 4096);
            var bytes = new byte[tensor.ByteLength];
            RandomAccess.Read(handle, bytes, offset);
            Assert.Equal(StateDicts.Bytes(Sample, tensor), bytes);
        }

        Assert.False(checkpoint.TryGetFileSegment(new TensorInfo("other", DType.U8, []), out _, out _));
    }

    [Fact]
    public void Read_FileTruncatedAfterOpening_IsRefused()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path);
        using var checkpoint = SafetensorsCheckpoint.Open(folder["model.safetensors"]);
        TestFiles.Truncate(folder["model.safetensors"], 5000);
        var error = Assert.Throws<CheckpointFormatException>(() => StateDict.Load(checkpoint));
        Assert.Contains("changed while in use", error.Message, StringComparison.Ordinal);
        Assert.Throws<CheckpointFormatException>(checkpoint.EnsureUnchanged);
    }

    [Fact]
    public void EnsureUnchanged_FileOverwrittenAfterOpening_Throws()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(Sample, folder.Path);
        File.SetLastWriteTimeUtc(folder["model.safetensors"], new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        using var checkpoint = SafetensorsCheckpoint.Open(folder["model.safetensors"]);
        checkpoint.EnsureUnchanged();
        TestFiles.Overwrite(folder["model.safetensors"], 5000, 1);
        Assert.Throws<CheckpointFormatException>(checkpoint.EnsureUnchanged);
        Assert.Throws<CheckpointFormatException>(() => StateDict.Load(checkpoint));
    }

    [Fact]
    public void Open_Pipe_IsRefusedWithoutWaiting()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no named pipes in folders.");
        using var folder = new TemporaryFolder();
        using (var mkfifo = Process.Start("mkfifo", folder["model.safetensors"]))
            mkfifo.WaitForExit();
        Assert.Contains("not a regular file", Assert.Throws<CheckpointFormatException>(() => Checkpoint.Open(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/dev/zero")]
    [InlineData("/dev/null")]
    public void Open_LinkToADevice_IsRefused(string device)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no device files.");
        using var folder = new TemporaryFolder();
        File.CreateSymbolicLink(folder["model.safetensors"], device);
        Assert.Throws<CheckpointFormatException>(() => Checkpoint.Open(folder.Path));
    }

    [Fact]
    public void Open_Folder_IsRefused()
    {
        using var folder = new TemporaryFolder();
        Assert.Throws<UnauthorizedAccessException>(() => SafetensorsCheckpoint.Open(folder.Path));
    }

    [Fact]
    public void Open_ZipFile_IsRefused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["model.safetensors"], [(byte)'P', (byte)'K', 3, 4, .. new byte[1000]]);
        Assert.Throws<CheckpointFormatException>(() => Checkpoint.Open(folder.Path));
    }

    [Fact]
    public void Open_SparseFileOfATerabyte_NeedsNoMemoryForItsData()
    {
        using var folder = new TemporaryFolder();
        var path = folder["model.safetensors"];
        var layout = SafetensorsLayout.Plan([new TensorInfo("huge", DType.BF16, [1 << 20, 1 << 19])]);
        using (var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write))
        {
            RandomAccess.Write(file, layout.ComposeHeader().Span, 0);
            RandomAccess.SetLength(file, layout.TotalLength);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        using var checkpoint = Checkpoint.Open(folder.Path);
        var last = new byte[1];
        checkpoint.Read(checkpoint.Tensors[0], (1L << 40) - 1, last);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 300_000);
    }
}
