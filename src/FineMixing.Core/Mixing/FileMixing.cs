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
        var mixings = plan.Tensors.ToDictionary(t => t.Suspect.Name, t => new TensorMixing(plan, t), StringComparer.Ordinal);
        using var hashes = fileOptions.WriteManifest ? new MixingHashes([suspect, @base, .. others]) : null;
        try
        {
            Run(plan, mixings, suspect, @base, others, shards, output, fileOptions.ChunkBytes, hashes, progress, ct);
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
            manifest = MixingManifest.Complete(manifest, plan, mixings, others.Count, hashes, ct);
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

    private const long CollectEvery = 512 << 20;

    // Whole tensors that are mixed at the same time may have as much together.
    private const int LeastWholeBytes = 64 << 20;

    // Configuration and tokenizer come from the suspect's folder where the caller names no other.
    private static FileMixingOptions? WithOtherFiles(FileMixingOptions? options, string suspect) =>
        Directory.Exists(suspect) && options?.CopyOtherFilesFrom is null ? (options ?? new FileMixingOptions()) with { CopyOtherFilesFrom = suspect } : options;

    private static void Run(MixPlan plan, Dictionary<string, TensorMixing> mixings, ICheckpoint suspect, ICheckpoint @base, IReadOnlyList<ICheckpoint> others, ShardPlan shards, OutputTransaction output, int chunkBytes, MixingHashes? hashes, IProgress<MixingProgress>? progress, CancellationToken ct)
    {
        var plans = plan.Tensors.ToDictionary(t => t.Suspect.Name, StringComparer.Ordinal);
        var total = plan.TotalBytes;
        long done = 0;
        var reporting = new object();

        // Whole tensors can be large: at the same time no more of them than the largest takes, and the hashing afterwards.
        var wholeTensors = plan.Tensors.Any(t => mixings[t.Suspect.Name].InOnePiece);
        var budget = wholeTensors ? new ByteBudget(Math.Max(LeastWholeBytes, plan.Tensors.Max(t => t.Suspect.ByteLength) + chunkBytes)) : null;
        using var buffers = new ThreadLocal<ChunkBuffers>(() => new ChunkBuffers(others.Count + 2));
        WorkerThreads.Run(Chunks(), plan.Options.ThreadCount, chunk =>
        {
            void Mix() => chunk.Mix(plan, suspect, @base, others, buffers.Value!, plan.Options.CheckFinite);
            if (budget is not null)
            {
                budget.Use(chunk.Length, Mix);
                buffers.Value!.DropLargerThan(LeastWholeBytes);
            }
            else
            {
                Mix();
            }

            long now;
            lock (reporting)
            {
                var before = done;
                now = done += chunk.Length;
                progress?.Report(new MixingProgress(now, total));

                // Little is left over from a window, but the collector does not look before it has as much as the processor's cache holds.
                if (now / CollectEvery > before / CollectEvery)
                    GC.Collect(0, GCCollectionMode.Forced);
            }

            if (!wholeTensors && chunk.File.Hash is { } hash)
                hashes!.KeepUp((double)now / total, hash, chunk.File.Front.Add(chunk.Offset, chunk.Offset + chunk.Length));
        }, ct);

        IEnumerable<Chunk> Chunks()
        {
            foreach (var file in shards.Files)
            {
                var handle = output.Create(file.FileName, file.Layout.TotalLength);
                RandomAccess.Write(handle, file.Layout.Header.Span, 0);
                var target = new OutputFile(handle, hashes?.AddOutput(file.FileName, handle, file.Layout.TotalLength), new WrittenFront(file.Layout.Header.Length), output.FlushToDisk);
                var pieces = file.Layout.Entries.SelectMany(e => FileWindows.Cut(e.Tensor, e.FileOffset, mixings[e.Tensor.Name].InOnePiece, chunkBytes));
                foreach (var window in FileWindows.Gather(pieces, chunkBytes))
                    yield return new Chunk([.. window.Select(w => new Piece(plans[w.Tensor.Name], mixings[w.Tensor.Name], w))], target);
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

    /// <summary>A run of elements of one tensor, what is done with it, and where its result goes.</summary>
    private sealed record Piece(TensorPlan Tensor, TensorMixing Mixing, FilePiece Place)
    {
        /// <summary>The same elements of a model's tensor.</summary>
        public TensorRun Run(TensorInfo tensor) => new(tensor, Place.Start * tensor.DType.BitSize() / 8, Place.Count * tensor.DType.BitSize() / 8);
    }

    /// <summary>Neighbours in a file, written together.</summary>
    private sealed record Chunk(Piece[] Pieces, OutputFile File)
    {
        public long Offset => Pieces[0].Place.Offset;

        public long Length => Pieces[^1].Place.End - Offset;

        public void Mix(MixPlan plan, ICheckpoint suspect, ICheckpoint @base, IReadOnlyList<ICheckpoint> others, ChunkBuffers buffers, bool checkFinite)
        {
            var ours = Array.TrueForAll(Pieces, p => p.Tensor.Action == TensorAction.Mixed) ? JointRead.Find(suspect, Array.ConvertAll(Pieces, p => p.Run(p.Tensor.Suspect))) : null;
            var theirs = ours is not null && Array.TrueForAll(Pieces, p => p.Tensor.Base?.DType == p.Tensor.Suspect.DType && plan.ReadsBase(p.Tensor))
                ? JointRead.Find(@base, Array.ConvertAll(Pieces, p => p.Run(p.Tensor.Base!)))
                : null;
            var bytes = buffers.Get(0, Size(Length, Pieces[0].Tensor.Suspect), ours?.Offset ?? 0, Offset);
            var suspectIsRead = ours?.Try(bytes.Span) == true;
            var allOfBase = theirs is null ? default : buffers.Get(1, bytes.Length, theirs.Offset);
            if (theirs?.Try(allOfBase.Span) == false)
                allOfBase = default;
            foreach (var piece in Pieces)
            {
                var (start, length) = ((int)(piece.Place.Offset - Offset), (int)piece.Place.Length);
                Mix(piece, bytes.Slice(start, length), suspectIsRead, allOfBase.IsEmpty ? default : allOfBase.Slice(start, length), plan, suspect, @base, others, buffers, checkFinite);
            }

            RandomAccess.Write(File.Handle, bytes.Span, Offset);
            if (File.Flush)
                EarlyFlush.Begin(File.Handle, Offset, Length);
        }

        private static void Mix(Piece piece, Memory<byte> target, bool suspectIsRead, Memory<byte> baseBytes, MixPlan plan, ICheckpoint suspect, ICheckpoint @base, IReadOnlyList<ICheckpoint> others, ChunkBuffers buffers, bool checkFinite)
        {
            // The result replaces the suspect's bytes: three buffers less to go through the cache.
            var (tensor, place) = (piece.Tensor, piece.Place);
            if (!suspectIsRead && tensor.Action is (TensorAction.Suspect or TensorAction.Mixed))
                suspect.Read(tensor.Suspect, place.Start * tensor.Suspect.DType.BitSize() / 8, target.Span);
            var inputs = new MixInputs(
                new MixSource(tensor.Suspect.DType, target),
                !baseBytes.IsEmpty ? new MixSource(tensor.Base!.DType, baseBytes) : plan.ReadsBase(tensor) ? Read(@base, tensor.Base!, 1) : default,
                tensor.Others.Count == 0 ? [] : [.. tensor.Others.Select((o, i) => Read(others[i], o, 2 + i))]);
            piece.Mixing.Mix(place.Start, inputs, target.Span, checkFinite);

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
