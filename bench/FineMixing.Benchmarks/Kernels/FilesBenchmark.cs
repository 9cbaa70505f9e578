using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using FineMixing.Benchmarks.Processes;
using FineMixing.Checkpoints;
using FineMixing.Mixing;
using FineMixing.Provenance;

namespace FineMixing.Benchmarks.Kernels;

/// <summary>Mixing files against cp of the output, in time and memory.</summary>
internal static partial class FilesBenchmark
{
    public static int Run(string[] args)
    {
        if (args.Length > 0 && args[0] == "--child")
            return Child(args[1..]);
        var megabytes = Harness.Integer(args, "--megabytes", 440);
        var folder = Path.Combine(Harness.Option(args, "--folder", Path.GetTempPath()), FormattableString.Invariant($"finemixing-bench-{Environment.ProcessId}"));
        var harness = new Harness(Harness.Integer(args, "--rounds", 15));
        harness.Header("Mixing files", FormattableString.Invariant($"files --megabytes {megabytes}{(Harness.Option(args, "--cli", "").Length > 0 ? " --cli FINEMIX" : "")}"));
        try
        {
            Directory.CreateDirectory(folder);
            foreach (var dtype in megabytes > 1000 ? [DType.BF16] : new[] { DType.F32, DType.BF16 })
                Measure(harness, folder, dtype, megabytes, args);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        harness.Save(args);
        return 0;
    }

    private static void Measure(Harness harness, string folder, DType dtype, int megabytes, string[] args)
    {
        var (suspect, @base, output, copy) = (Path.Combine(folder, "suspect"), Path.Combine(folder, "base"), Path.Combine(folder, "output"), Path.Combine(folder, "copy"));
        var write = new CheckpointWriterOptions { Overwrite = true, MaxShardBytes = long.MaxValue / 4 };
        var tensors = Tensors(dtype, megabytes * 1_000_000L);
        CheckpointWriter.Write(new RandomWeights(tensors, tuned: true), suspect, write);
        CheckpointWriter.Write(new RandomWeights(tensors, tuned: false), @base, write);
        Mix(suspect, @base, output, 2, flush: false, manifest: false);
        var file = Path.Combine(folder, "mixed.safetensors");
        File.Move(Path.Combine(output, "model.safetensors"), file, overwrite: true);
        Directory.Delete(output, recursive: true);
        Directory.CreateDirectory(copy);
        var target = Path.Combine(copy, "model.safetensors");
        void Clean()
        {
            File.Delete(target);
            if (Directory.Exists(output))
                Directory.Delete(output, recursive: true);
        }

        var title = FormattableString.Invariant($"{megabytes} MB, {dtype.SafetensorsName()}");
        harness.Measure(
            $"{title}, warm",
            new Case("cp of the output", () => ChildProcess.Run("cp", file, target), Clean),
            new Case("mix, 1 thread", () => Mix(suspect, @base, output, 1, false, false), Clean, "cp of the output", "1.1"),
            new Case("mix, 2 threads", () => Mix(suspect, @base, output, 2, false, false), Clean, "cp of the output", "0.70"),
            new Case("mix, 2 threads, manifest with SHA-256 of inputs and output", () => Mix(suspect, @base, output, 2, false, true), Clean, "cp of the output"));
        harness.Measure(
            $"{title}, until it is on the disk",
            new Case("cp and fsync", () => CopyAndFlush(file, target), Clean),
            new Case("mix with fsync, 2 threads", () => Mix(suspect, @base, output, 2, true, false), Clean, "cp and fsync", "0.9"));
        if (OperatingSystem.IsLinux())
        {
            void Cold()
            {
                Clean();
                foreach (var path in new[] { file, Path.Combine(suspect, "model.safetensors"), Path.Combine(@base, "model.safetensors") })
                    DropFromCache(path);
            }

            harness.Measure(
                $"{title}, inputs not in the cache (the mix reads twice what cp reads)",
                new Case("cp of the output", () => ChildProcess.Run("cp", file, target), Cold),
                new Case("mix, 2 threads", () => Mix(suspect, @base, output, 2, false, false), Cold, "cp of the output", "1.8"));
        }
        else
        {
            harness.Line("Not measured: inputs that are not in the cache (only Linux lets a program drop a file from it).");
        }

        Clean();
        var watch = Stopwatch.StartNew();
        var peak = ChildProcess.Self("files", "--child", suspect, @base, output);
        harness.Line(string.Create(CultureInfo.InvariantCulture, $"A process that only mixes this pair: {watch.Elapsed.TotalMilliseconds:0} ms from start to end, peak resident memory {double.Parse(peak, CultureInfo.InvariantCulture):0} MB (goal: 64)."));
        harness.Line("");
        if (Harness.Option(args, "--cli", "") is { Length: > 0 } cli)
            ConsoleTool(harness, title, cli, (suspect, @base, output), () => ChildProcess.Run("cp", file, target), () => CopyAndFlush(file, target), Clean);
        HashRate(harness, file);
        Clean();
    }

    // The published tool (an executable, or a .dll for the dotnet host), as a process from start to end.
    private static void ConsoleTool(Harness harness, string title, string cli, (string Suspect, string Base, string Output) folders, Action copy, Action copyAndFlush, Action clean)
    {
        string[] arguments = ["mix", "--suspect", folders.Suspect, "--base", folders.Base, "--output", folders.Output];
        Action Tool(params string[] more) => () => ChildProcess.Tool(cli, [.. arguments, .. more]);
        harness.Measure(
            $"{title}, the whole console tool as a process",
            new Case("cp of the output", copy, clean),
            new Case("finemix --version", () => ChildProcess.Tool(cli, "--version"), clean),
            new Case("finemix mix --no-manifest --no-flush", Tool("--no-manifest", "--no-flush"), clean, "cp of the output", "2"));

        // Apart from the others: freeing what is on the disk takes the file system's time afterwards.
        harness.Measure(
            $"{title}, the whole console tool, until it is on the disk",
            new Case("cp and fsync", copyAndFlush, clean),
            new Case("finemix mix --no-manifest", Tool("--no-manifest"), clean, "cp and fsync"),
            new Case("finemix mix", Tool(), clean, "cp and fsync"));
    }

    private static void HashRate(Harness harness, string file)
    {
        var length = new FileInfo(file).Length;
        var watch = Stopwatch.StartNew();
        FileHasher.Sha256(file);
        var rate = length / watch.Elapsed.TotalSeconds;
        harness.Line(string.Create(CultureInfo.InvariantCulture, $"SHA-256 runs at {rate / 1e9:0.00} GB/s on one thread here. A manifest hashes both inputs and the output: 3 x {length / 1e6:0} MB / ({Environment.ProcessorCount} x {rate / 1e9:0.00} GB/s) = {3 * length / rate / Environment.ProcessorCount * 1000:0} ms at best."));
        harness.Line("");
    }

    private static void Mix(string suspect, string @base, string output, int threads, bool flush, bool manifest) =>
        FileMixing.Mix(WeightMixers.Get("fine-mixing"), suspect, @base, output, new MixingOptions { Threads = threads }, new FileMixingOptions { FlushToDisk = flush, WriteManifest = manifest, MaxShardBytes = long.MaxValue / 4 });

    private static int Child(string[] args)
    {
        Mix(args[0], args[1], args[2], 2, flush: false, manifest: false);
        ChildProcess.PrintPeak();
        return 0;
    }

    private static void CopyAndFlush(string source, string target)
    {
        ChildProcess.Run("cp", source, target);
        using var handle = File.OpenHandle(target, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(handle);
    }

    private static void DropFromCache(string path)
    {
        using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(handle);
        const int DontNeed = 4;
        if (PosixFadvise(handle, 0, 0, DontNeed) != 0)
            throw new InvalidOperationException("posix_fadvise failed.");
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int PosixFadvise(SafeHandle file, long offset, long length, int advice);

    /// <summary>The shape of BERT-base or of a wider model, repeated or cut to the size.</summary>
    internal static List<TensorInfo> Tensors(DType dtype, long bytes, int width = 768)
    {
        var tensors = new List<TensorInfo> { new("embeddings.word_embeddings.weight", dtype, [30522, width]) };
        var total = tensors[0].ByteLength;
        for (var layer = 0; total < bytes; layer++)
        {
            foreach (var (name, rows, columns) in new[] { ("attention.self.query", 1, 1), ("attention.self.key", 1, 1), ("attention.self.value", 1, 1), ("attention.output.dense", 1, 1), ("intermediate.dense", 4, 1), ("output.dense", 1, 4) })
            {
                var prefix = FormattableString.Invariant($"encoder.layer.{layer}.{name}");
                tensors.AddRange([new TensorInfo(prefix + ".weight", dtype, [rows * width, columns * width]), new TensorInfo(prefix + ".bias", dtype, [rows * width])]);
                total += tensors[^2].ByteLength + tensors[^1].ByteLength;
            }
        }

        return tensors;
    }

    /// <summary>Weights calculated when they are read: between 2^-7 and 2^-3, and tuned ones within 1% of those that are not.</summary>
    internal sealed class RandomWeights(IReadOnlyList<TensorInfo> tensors, bool tuned) : ICheckpoint
    {
        public string Location => "random weights";

        public IReadOnlyList<string> Files => [];

        public IReadOnlyList<TensorInfo> Tensors => tensors;

        public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

        public bool TryGetTensor(string name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out TensorInfo? tensor)
        {
            tensor = tensors.FirstOrDefault(t => t.Name == name);
            return tensor is not null;
        }

        public void Read(TensorInfo tensor, long byteOffset, Span<byte> destination)
        {
            // Sign, two bits of the exponent and the mantissa are random; tuning changes the lower half of a single-precision number, the last bit of a bfloat16.
            var (random, fixedBits, change) = tensor.DType == DType.F32
                ? (0x81FF_FFFF_81FF_FFFFUL, 0x3C00_0000_3C00_0000UL, tuned ? 0x0000_FFFF_0000_FFFFUL : 0)
                : (0x81FF_81FF_81FF_81FFUL, 0x3C00_3C00_3C00_3C00UL, tuned ? 0x0001_0001_0001_0001UL : 0);
            var (key, tuning) = (RandomMask.TensorKey(1, tensor.Name), RandomMask.TensorKey(2, tensor.Name));
            var words = MemoryMarshal.Cast<byte, ulong>(destination);
            for (var i = 0; i < words.Length; i++)
            {
                var index = (ulong)((byteOffset / 8) + i);
                words[i] = ((MaskKernels.Word(key, index) & random) | fixedBits) ^ (MaskKernels.Word(tuning, index) & change);
            }
        }

        public void Dispose()
        {
        }
    }
}
