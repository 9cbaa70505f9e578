using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Safetensors;
using FineMixing.Mixing.Mixers;
using FineMixing.Provenance;

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
            CheckpointWriter.AddOtherFiles(output, folder, plan.Tensors.Select(t => t.Suspect), ct);
        using var hashes = fileOptions.WriteManifest ? new MixingHashes([suspect, @base, .. others]) : null;
        try
        {
            FileMixingRun.Run(plan, suspect, @base, others, shards, output, fileOptions.ChunkBytes, hashes, progress, ct);
        }
        catch (NonFiniteChunkException)
        {
            NonFiniteWeights.ThrowIfAny(plan, suspect, @base, others, ct);
            throw;
        }

        CheckpointWriter.AddIndex(output, shards);
        hashes?.Complete(output, options.ThreadCount, ct);
        foreach (var file in (ICheckpoint[])[suspect, @base, .. others])
            file.EnsureUnchanged();
        if (hashes is not null)
        {
            manifest = MixingManifest.Complete(manifest, plan, others.Count, hashes, ct);
            output.Add(ProvenanceManifest.FileName, manifest.ToBytes());
        }

        output.Commit(CheckpointWriter.ObsoleteWeights(output.Folder, shards), ct);
        return new FileMixingResult(CheckpointWriter.FilesOf(output.Folder, shards), new TensorMixSummaries(plan.Tensors), fileOptions.WriteManifest ? manifest : null);
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
        var differences = recorded.OutputsThatDiffer(result.Manifest!).Where(CheckpointWriter.IsAnyWeights).Select(name => $"'{name}'").ToList();
        return differences.Count == 0
            ? result
            : throw new InvalidOperationException($"Repeating the manifest of library {recorded.LibraryVersion} with {ProvenanceManifest.CurrentLibraryVersion} gave other bytes in {string.Join(", ", differences)}, now in '{outputFolder}'.");
    }

    // Configuration and tokenizer come from the suspect's folder where the caller names no other.
    private static FileMixingOptions? WithOtherFiles(FileMixingOptions? options, string suspect) =>
        Directory.Exists(suspect) && options?.CopyOtherFilesFrom is null ? (options ?? new FileMixingOptions()) with { CopyOtherFilesFrom = suspect } : options;
}
