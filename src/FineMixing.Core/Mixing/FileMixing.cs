using System.Collections.Immutable;
using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Safetensors;
using FineMixing.Mixing.Mixers;
using FineMixing.Provenance;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Mixing;

/// <summary>How files are mixed; nothing of it changes the weights.</summary>
public sealed record FileMixingOptions
{
    /// <summary>The most bytes read, mixed and written at a time by a thread: 4 KiB to 64 MiB. Default 1 MiB. Memory grows with it, not with the checkpoint.</summary>
    public int ChunkBytes { get; init; } = 1 << 20;

    /// <summary>The most bytes of tensor data in one output file. Default 5 GB.</summary>
    public long MaxShardBytes { get; init; } = 5_000_000_000;

    /// <summary>Replace weights that are already in the output folder. Default false.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Write <c>finemixing.json</c> with the SHA-256 of inputs and outputs; hashing takes longer than mixing. Default true.</summary>
    public bool WriteManifest { get; init; } = true;

    /// <summary>Wait until the output is on the disk before it gets its name. Default true.</summary>
    public bool FlushToDisk { get; init; } = true;

    /// <summary>A model folder whose other files (configuration, tokenizer) are copied to the output. Default none.</summary>
    public string? CopyOtherFilesFrom { get; init; }

    internal void Validate()
    {
        var problems = new List<string>();
        if (ChunkBytes is < 4096 or > 64 << 20)
            problems.Add(FormattableString.Invariant($"chunks of {ChunkBytes} bytes; expected 4096 to {64 << 20}"));
        if (MaxShardBytes < 1)
            problems.Add(FormattableString.Invariant($"shards of {MaxShardBytes} bytes; expected 1 or more"));
        if (problems.Count > 0)
            throw new ArgumentException($"File options: {string.Join("; ", problems)}.");
    }
}

/// <summary>How far mixing is.</summary>
/// <param name="BytesDone">Bytes of tensor data written.</param>
/// <param name="BytesTotal">Of all.</param>
public readonly record struct MixingProgress(long BytesDone, long BytesTotal);

/// <summary>What mixing files made.</summary>
/// <param name="Files">Full paths of the weights.</param>
/// <param name="Tensors">What was done to each tensor, in the suspect's order.</param>
/// <param name="Manifest">As written to <c>finemixing.json</c>; null when none was.</param>
public sealed record FileMixingResult(IReadOnlyList<string> Files, IReadOnlyList<TensorMixSummary> Tensors, ProvenanceManifest? Manifest);

/// <summary>Mixes checkpoints from files to files in memory that does not grow with them.</summary>
/// <remarks>
/// Each thread reads a chunk of every model, mixes it in its buffers and writes it to its place in a preallocated file. The bytes written depend on the models, the method, its options and the
/// shard limit alone. Methods that need whole tensors hold at the same time no more than the largest takes, or 64 MB. Files appear under their names when all are complete; a failure or cancellation leaves the folder as it was.
/// </remarks>
public static class FileMixing
{
    /// <summary>Mixes two model folders (and others).</summary>
    /// <param name="mixer">The method.</param>
    /// <param name="suspect">Folder or file of the fine-tuned model. Of a folder, the files that are not weights are copied to the output.</param>
    /// <param name="base">Folder or file of the pre-trained model.</param>
    /// <param name="outputFolder">Created if missing.</param>
    /// <param name="options">Ratio, seed and the rest.</param>
    /// <param name="fileOptions">Defaults if null.</param>
    /// <param name="others">Folders or files of more models.</param>
    /// <param name="progress">Told after each chunk.</param>
    /// <param name="ct">Cancels; nothing is left behind.</param>
    /// <exception cref="ArgumentException">Bad options, models that do not fit together (all differences are listed), or NaN or infinite weights.</exception>
    /// <exception cref="CheckpointFormatException">An input breaks a rule of its format or changes while it is read.</exception>
    /// <exception cref="IOException">The output exists, or the disk is full.</exception>
    public static FileMixingResult Mix(IWeightMixer mixer, string suspect, string @base, string outputFolder, MixingOptions options, FileMixingOptions? fileOptions = null, IReadOnlyList<string>? others = null, IProgress<MixingProgress>? progress = null, CancellationToken ct = default)
    {
        using var models = new OpenedModels([suspect, @base, .. others ?? []]);
        return Mix(mixer, models.Suspect, models.Base, outputFolder, options, WithOtherFiles(fileOptions, suspect), models.Others, progress, ct);
    }

    /// <summary>Mixes open checkpoints.</summary>
    /// <inheritdoc cref="Mix(IWeightMixer, string, string, string, MixingOptions, FileMixingOptions, IReadOnlyList{string}, IProgress{MixingProgress}, CancellationToken)" path="/param"/>
    /// <inheritdoc cref="Mix(IWeightMixer, string, string, string, MixingOptions, FileMixingOptions, IReadOnlyList{string}, IProgress{MixingProgress}, CancellationToken)" path="/exception"/>
    public static FileMixingResult Mix(IWeightMixer mixer, ICheckpoint suspect, ICheckpoint @base, string outputFolder, MixingOptions options, FileMixingOptions? fileOptions = null, IReadOnlyList<ICheckpoint>? others = null, IProgress<MixingProgress>? progress = null, CancellationToken ct = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputFolder);
        ArgumentNullException.ThrowIfNull(suspect);
        fileOptions ??= new FileMixingOptions();
        fileOptions.Validate();
        others ??= [];
        if (mixer is FineMixingMixer)
            RandomMask.CompileKernels(suspect);
        var plan = MixPlan.Create(mixer, suspect, @base, options, others);
        var manifest = MixingManifest.Describe(plan, fileOptions);
        var shards = ShardPlan.Create(plan.Tensors.Select(t => t.Suspect), fileOptions.MaxShardBytes, manifest.ToMetadata());
        CheckpointWriter.RefuseOtherWeights(outputFolder, shards, fileOptions.Overwrite);
        using var output = new OutputTransaction(outputFolder, fileOptions.Overwrite) { FlushToDisk = fileOptions.FlushToDisk };
        if (fileOptions.CopyOtherFilesFrom is { } folder)
            CheckpointWriter.AddOtherFiles(output, folder, ct);
        using var hashes = fileOptions.WriteManifest ? new MixingHashes([suspect, @base, .. others]) : null;
        try
        {
            Run(plan, suspect, @base, others, shards, output, fileOptions.ChunkBytes, hashes, progress, ct);
        }
        catch (NonFiniteChunkException)
        {
            NonFiniteWeights.ThrowIfAny(plan, suspect, @base, others, ct);
            throw;
        }

        CheckpointWriter.AddIndex(output, shards);
        hashes?.Complete(output, options.ThreadCount, ct);
        foreach (var file in (ICheckpoint[])[suspect, @base, .. others])
            (file as IFileCheckpoint)?.EnsureUnchanged();
        if (hashes is not null)
        {
            manifest = MixingManifest.Complete(manifest, plan, others.Count, hashes, ct);
            output.Add(ProvenanceManifest.FileName, manifest.ToBytes());
        }

        output.Commit(CheckpointWriter.ObsoleteWeights(output.Folder, shards), ct);
        return new FileMixingResult(CheckpointWriter.FilesOf(output.Folder, shards), [.. plan.Tensors.Select(t => t.Summary)], fileOptions.WriteManifest ? manifest : null);
    }

    /// <summary>Repeats what a manifest describes and checks that the same bytes come out.</summary>
    /// <param name="manifest">A <c>finemixing.json</c> or its folder.</param>
    /// <param name="suspect">As it was then; checked by SHA-256.</param>
    /// <param name="base">As it was then; checked by SHA-256.</param>
    /// <param name="outputFolder">Created if missing.</param>
    /// <param name="fileOptions">Chunks and overwriting; the shard limit is the manifest's.</param>
    /// <param name="others">The other models, in the same order.</param>
    /// <param name="progress">Told after each chunk.</param>
    /// <param name="ct">Cancels; nothing is left behind.</param>
    /// <exception cref="ArgumentException">The inputs are not those of the manifest (all differences are listed), or the method cannot be repeated.</exception>
    /// <exception cref="InvalidOperationException">Other bytes came out (another version of the library may have changed the method); the output is there, the message names the files.</exception>
    public static FileMixingResult Replay(string manifest, string suspect, string @base, string outputFolder, FileMixingOptions? fileOptions = null, IReadOnlyList<string>? others = null, IProgress<MixingProgress>? progress = null, CancellationToken ct = default)
    {
        using var models = new OpenedModels([suspect, @base, .. others ?? []]);
        return Replay(manifest, models.Suspect, models.Base, outputFolder, WithOtherFiles(fileOptions, suspect), models.Others, progress, ct);
    }

    /// <summary>Repeats what a manifest describes with open checkpoints, for example an adapter on its base.</summary>
    /// <inheritdoc cref="Replay(string, string, string, string, FileMixingOptions, IReadOnlyList{string}, IProgress{MixingProgress}, CancellationToken)" path="/param"/>
    /// <inheritdoc cref="Replay(string, string, string, string, FileMixingOptions, IReadOnlyList{string}, IProgress{MixingProgress}, CancellationToken)" path="/exception"/>
    public static FileMixingResult Replay(string manifest, ICheckpoint suspect, ICheckpoint @base, string outputFolder, FileMixingOptions? fileOptions = null, IReadOnlyList<ICheckpoint>? others = null, IProgress<MixingProgress>? progress = null, CancellationToken ct = default)
    {
        var recorded = ProvenanceManifest.Read(manifest);
        var (mixer, options, shardBytes) = MixingManifest.Restore(recorded);
        MixingManifest.CheckInputs(recorded, suspect, @base, others ?? [], ct);
        var result = Mix(mixer, suspect, @base, outputFolder, options, (fileOptions ?? new FileMixingOptions()) with { MaxShardBytes = shardBytes, WriteManifest = true }, others, progress, ct);
        var differences = recorded.Outputs.Where(o => CheckpointWriter.IsAnyWeights(o.Name))
            .Where(o => !result.Manifest!.Outputs.Contains(o)).Select(o => $"'{o.Name}'").ToList();
        return differences.Count == 0
            ? result
            : throw new InvalidOperationException($"Repeating the manifest of library {recorded.LibraryVersion} with {ProvenanceManifest.CurrentLibraryVersion} gave other bytes in {string.Join(", ", differences)}, now in '{outputFolder}'.");
    }

    // Some megabytes: a collection keeps about three.
    private const int GarbageBytes = 6 << 20;

    // Whole tensors that are mixed at the same time may have as much together.
    private const int LeastWholeBytes = 64 << 20;

    // Configuration and tokenizer come from the suspect's folder where the caller names no other.
    private static FileMixingOptions? WithOtherFiles(FileMixingOptions? options, string suspect) =>
        Directory.Exists(suspect) && options?.CopyOtherFilesFrom is null ? (options ?? new FileMixingOptions()) with { CopyOtherFilesFrom = suspect } : options;

    private static void Run(MixPlan plan, ICheckpoint suspect, ICheckpoint @base, IReadOnlyList<ICheckpoint> others, ShardPlan shards, OutputTransaction output, int chunkBytes, MixingHashes? hashes, IProgress<MixingProgress>? progress, CancellationToken ct)
    {
        var total = plan.TotalBytes;
        long done = 0;
        var reporting = new object();

        // Whole tensors can be large: at the same time no more of them than the largest takes, and the hashing afterwards.
        var wholeTensors = plan.Tensors.Any(plan.IsInOnePiece);
        var budget = wholeTensors ? new ByteBudget(Math.Max(LeastWholeBytes, plan.Tensors.Max(t => t.Suspect.ByteLength) + chunkBytes)) : null;
        using var garbage = new GarbageBound(GarbageBytes);
        using var buffers = new ThreadLocal<ChunkBuffers>(() => new ChunkBuffers(others.Count + 2), trackAllValues: true);
        try
        {
            WorkerThreads.Run(Chunks(), plan.Options.ThreadCount, Mix, ct);
        }
        finally
        {
            foreach (var own in buffers.Values)
                own.Dispose();
        }

        void Mix(Chunk chunk)
        {
            if (budget is null)
                chunk.Mix(plan, suspect, @base, others, buffers.Value!);
            else
                MixWithin(budget, chunk);

            long now;
            lock (reporting)
            {
                now = done += chunk.Length;
                progress?.Report(new MixingProgress(now, total));
            }

            garbage.Note();
            if (!wholeTensors && chunk.File.Hash is { } hash)
                hashes!.KeepUp((double)now / total, hash, chunk.File.Front.Add(chunk.Offset, chunk.Offset + chunk.Length));
        }

        void MixWithin(ByteBudget budget, Chunk chunk)
        {
            budget.Use(chunk.Length, () => chunk.Mix(plan, suspect, @base, others, buffers.Value!));
            buffers.Value!.DropLargerThan(LeastWholeBytes);
        }

        IEnumerable<Chunk> Chunks()
        {
            var plans = plan.Tensors.ToDictionary(t => t.Suspect.Name, StringComparer.Ordinal);
            TensorMixing? mixing = null;
            foreach (var file in shards.Files)
            {
                var handle = output.Create(file.FileName, file.Layout.TotalLength);
                RandomAccess.Write(handle, file.Layout.Header.Span, 0);
                var target = new OutputFile(handle, hashes?.AddOutput(file.FileName, handle, file.Layout.TotalLength), new WrittenFront(file.Layout.Header.Length), output.FlushToDisk);
                var cuts = FileWindows.Cut(file.Layout.Entries, t => plan.IsInOnePiece(plans[t.Name]), chunkBytes);
                foreach (var window in FileWindows.Gather(cuts, chunkBytes))
                {
                    var mixings = new TensorMixing[window.Length];
                    for (var i = 0; i < mixings.Length; i++)
                    {
                        // One tensor is prepared after the other, not all before the first is mixed.
                        if (mixing?.Plan.Suspect != window[i].Tensor)
                            mixing = new TensorMixing(plan, plans[window[i].Tensor.Name]);
                        mixings[i] = mixing;
                    }

                    yield return new Chunk(window, mixings, target);
                }
            }
        }
    }

    /// <summary>The checkpoints of a call, opened and closed together.</summary>
    private sealed class OpenedModels : IDisposable
    {
        private readonly List<ICheckpoint> _models = [];

        public OpenedModels(string[] paths)
        {
            // The suspect here, the others meanwhile; the first that cannot be opened is told.
            var others = paths[1..].Select(path => Task.Run(() => Checkpoint.Open(path))).ToArray();
            try
            {
                _models.Add(Checkpoint.Open(paths[0]));
                foreach (var other in others)
                    _models.Add(other.GetAwaiter().GetResult());
            }
            catch
            {
                foreach (var other in others)
                    other.ContinueWith(t => t.Result.Dispose(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
                Dispose();
                throw;
            }
        }

        public ICheckpoint Suspect => _models[0];

        public ICheckpoint Base => _models[1];

        public IReadOnlyList<ICheckpoint> Others => _models[2..];

        public void Dispose() => _models.ForEach(m => m.Dispose());
    }

    /// <summary>A file that is written, how far, its hash when one is made, and whether it is to be flushed.</summary>
    private sealed record OutputFile(SafeFileHandle Handle, HashChain? Hash, WrittenFront Front, bool Flush);

    /// <summary>Neighbours in a file, written together.</summary>
    /// <param name="Pieces">Runs of elements.</param>
    /// <param name="Mixings">What is done with each.</param>
    /// <param name="File">Where the result goes.</param>
    private sealed record Chunk(FilePiece[] Pieces, TensorMixing[] Mixings, OutputFile File)
    {
        public long Offset => Pieces[0].Offset;

        public long Length => Pieces[^1].End - Offset;

        public void Mix(MixPlan plan, ICheckpoint suspect, ICheckpoint @base, IReadOnlyList<ICheckpoint> others, ChunkBuffers buffers)
        {
            var ours = Join(suspect, plan, static (_, tensor) => tensor.Action == TensorAction.Mixed ? tensor.Suspect : null);
            var theirs = ours.Length == 0 ? default : Join(@base, plan, static (plan, tensor) => tensor.Base?.DType == tensor.Suspect.DType && plan.ReadsBase(tensor) ? tensor.Base : null);
            var bytes = buffers.Get(0, Size(Length, Pieces[0].Tensor), ours.Offset, Offset);
            var suspectIsRead = ours.Try(bytes.Span);
            var allOfBase = theirs.Length == 0 ? default : buffers.Get(1, bytes.Length, theirs.Offset);
            if (!theirs.Try(allOfBase.Span))
                allOfBase = default;
            for (var i = 0; i < Pieces.Length; i++)
            {
                var (start, length) = ((int)(Pieces[i].Offset - Offset), (int)Pieces[i].Length);
                Mix(Pieces[i], Mixings[i], bytes.Slice(start, length), suspectIsRead, allOfBase.IsEmpty ? default : allOfBase.Slice(start, length), plan, suspect, @base, others, buffers);
            }

            RandomAccess.Write(File.Handle, bytes.Span, Offset);
            if (File.Flush)
                EarlyFlush.Begin(File.Handle, Offset, Length);
        }

        // The pieces' tensors in a model; empty unless all of them are wanted and lie side by side.
        private JointRead Join(ICheckpoint model, MixPlan plan, Func<MixPlan, TensorPlan, TensorInfo?> wanted)
        {
            var read = new JointRead(model);
            for (var i = 0; i < Pieces.Length; i++)
            {
                if (wanted(plan, Mixings[i].Plan) is not { } tensor || !read.Add(tensor, Pieces[i].Start * tensor.DType.BitSize() / 8, Pieces[i].Count * tensor.DType.BitSize() / 8))
                    return default;
            }

            return read;
        }

        private static void Mix(FilePiece place, TensorMixing mixing, Memory<byte> target, bool suspectIsRead, Memory<byte> baseBytes, MixPlan plan, ICheckpoint suspect, ICheckpoint @base, IReadOnlyList<ICheckpoint> others, ChunkBuffers buffers)
        {
            // The result replaces the suspect's bytes: three buffers less to go through the cache.
            var tensor = mixing.Plan;
            if (!suspectIsRead && tensor.Action is (TensorAction.Suspect or TensorAction.Mixed))
                suspect.Read(tensor.Suspect, place.Start * tensor.Suspect.DType.BitSize() / 8, target.Span);
            var siblings = tensor.Others.Count == 0 ? [] : new MixSource[tensor.Others.Count];
            for (var i = 0; i < siblings.Length; i++)
                siblings[i] = Read(others[i], tensor.Others[i], 2 + i);
            var inputs = new MixInputs(
                new MixSource(tensor.Suspect.DType, target),
                !baseBytes.IsEmpty ? new MixSource(tensor.Base!.DType, baseBytes) : plan.ReadsBase(tensor) ? Read(@base, tensor.Base!, 1) : default,
                siblings);
            mixing.Mix(place.Start, inputs, target.Span, plan.Options.CheckFinite);

            MixSource Read(ICheckpoint model, TensorInfo info, int slot)
            {
                var memory = buffers.Get(slot, Size(place.Count * info.DType.BitSize() / 8, info));
                model.Read(info, place.Start * info.DType.BitSize() / 8, memory.Span);
                return new MixSource(info.DType, memory);
            }
        }

        private static int Size(long length, TensorInfo tensor) => length <= Array.MaxLength
            ? (int)length
            : throw new NotSupportedException(string.Create(CultureInfo.InvariantCulture, $"Tensor {tensor} has {length} bytes; methods that need whole tensors handle at most {Array.MaxLength}."));
    }
}
