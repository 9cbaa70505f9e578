using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using FineMixing.Checkpoints.Pickle;
using FineMixing.Checkpoints.Safetensors;

namespace FineMixing.Checkpoints.Adapters;

/// <summary>A base with a LoRA adapter merged in: W = W0 + scaling · B·A, worked out while it is read and never held as a whole.</summary>
/// <remarks>
/// Names, order, shapes and element types are the base's; modules the adapter trained as a whole (<c>modules_to_save</c>, biases, embeddings) replace the base's or
/// come after them. The change is worked out in single precision, added, and rounded once to the base's element type.
/// Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", equation 3. The folder's layout is peft's.
/// </remarks>
public sealed class LoraCheckpoint : ICheckpoint
{
    /// <summary>The adapter's configuration in its folder.</summary>
    public const string ConfigName = "adapter_config.json";

    /// <summary>The adapter's weights in its folder.</summary>
    public const string WeightsName = "adapter_model.safetensors";

    /// <summary>The adapter's weights where there are no safetensors.</summary>
    public const string PickleName = "adapter_model.bin";

    private const int PieceElements = 1 << 14;
    private const long CacheBytes = 32 << 20;

    private readonly ICheckpoint _base;
    private readonly ICheckpoint _adapter;
    private readonly CheckpointFile _config;
    private readonly List<TensorInfo> _infos = [];
    private readonly Dictionary<string, Part> _parts = new(StringComparer.Ordinal);
    private readonly TensorCache _left = new(CacheBytes);
    private readonly TensorCache _right = new(CacheBytes);

    private LoraCheckpoint(ICheckpoint @base, ICheckpoint adapter, string folder, CheckpointFile configFile, LoraConfig config)
    {
        _base = @base;
        _adapter = adapter;
        _config = configFile;
        Config = config;
        Location = $"{@base.Location} + {folder}";
        Files = [.. @base.Files, Path.GetFullPath(Path.Combine(folder, ConfigName)), .. adapter.Files];
    }

    /// <inheritdoc/>
    public string Location { get; }

    /// <summary>The files of the base, then the adapter's configuration and weights.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <inheritdoc/>
    public IReadOnlyList<TensorInfo> Tensors => _infos;

    /// <summary>The base's.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _base.Metadata;

    /// <summary>What the adapter's configuration says.</summary>
    public LoraConfig Config { get; }

    /// <summary>Opens an adapter on its base.</summary>
    /// <param name="base">Any checkpoint; disposed with the result.</param>
    /// <param name="adapterFolder">A peft folder: <see cref="ConfigName"/> with <see cref="WeightsName"/> or <see cref="PickleName"/>.</param>
    /// <exception cref="FileNotFoundException">The folder lacks one of its files.</exception>
    /// <exception cref="CheckpointFormatException">A file is damaged, or the adapter asks for something that is not supported.</exception>
    /// <exception cref="IncompatibleCheckpointsException">The adapter does not fit the base; everything that does not is listed.</exception>
    public static LoraCheckpoint Open(ICheckpoint @base, string adapterFolder)
    {
        ArgumentNullException.ThrowIfNull(@base);
        ArgumentException.ThrowIfNullOrEmpty(adapterFolder);
        var configFile = new CheckpointFile(Path.Combine(adapterFolder, ConfigName));
        try
        {
            return Open(@base, adapterFolder, configFile, LoraConfig.Read(configFile));
        }
        catch
        {
            configFile.Dispose();
            throw;
        }
    }

    private static LoraCheckpoint Open(ICheckpoint @base, string adapterFolder, CheckpointFile configFile, LoraConfig config)
    {
        var (safetensors, pickle) = (Path.Combine(adapterFolder, WeightsName), Path.Combine(adapterFolder, PickleName));
        ICheckpoint adapter = File.Exists(safetensors) || !File.Exists(pickle) ? SafetensorsCheckpoint.Open(safetensors) : PickleCheckpoint.Open(pickle);
        try
        {
            var plan = LoraPlan.Create(@base, adapter, config, adapterFolder);
            var result = new LoraCheckpoint(@base, adapter, adapterFolder, configFile, config);
            foreach (var (info, part) in plan)
            {
                result._infos.Add(info);
                result._parts.Add(info.Name, new Part(info, part.FromAdapter ? adapter : @base, part.Origin, part.Update));
            }

            return result;
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor)
    {
        tensor = _parts.TryGetValue(name, out var part) ? part.Info : null;
        return tensor is not null;
    }

    /// <inheritdoc/>
    /// <remarks>Only the elements asked for are worked out.</remarks>
    /// <exception cref="ArgumentException">The tensor is not one of this checkpoint, or the range is not within it.</exception>
    public void Read(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!_parts.TryGetValue(tensor.Name, out var part))
            throw new ArgumentException($"'{Location}' has no tensor '{tensor.Name}'.", nameof(tensor));
        ArgumentOutOfRangeException.ThrowIfNegative(byteOffset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(byteOffset, part.Info.ByteLength - destination.Length);
        if (part.Update is null && part.Origin.DType == part.Info.DType)
        {
            part.Source.Read(part.Origin, byteOffset, destination);
            return;
        }

        var size = part.Info.DType.BitSize() / 8;
        var piece = ArrayPool<byte>.Shared.Rent(PieceElements * size);
        try
        {
            while (!destination.IsEmpty)
            {
                var (element, within) = Math.DivRem(byteOffset, size);
                var count = (int)Math.Min(PieceElements, (within + destination.Length + size - 1) / size);
                var bytes = piece.AsSpan(0, count * size);
                WorkOut(part, element, bytes);
                var wanted = bytes[(int)within..];
                wanted = wanted[..Math.Min(wanted.Length, destination.Length)];
                wanted.CopyTo(destination);
                destination = destination[wanted.Length..];
                byteOffset += wanted.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }
    }

    /// <inheritdoc/>
    public void EnsureUnchanged()
    {
        _base.EnsureUnchanged();
        _adapter.EnsureUnchanged();
        _config.EnsureUnchanged();
    }

    /// <summary>Closes the adapter and the base.</summary>
    public void Dispose()
    {
        _config.Dispose();
        _adapter.Dispose();
        _base.Dispose();
    }

    // Whole elements of a tensor that is changed or converted.
    private void WorkOut(Part part, long element, Span<byte> bytes)
    {
        var count = bytes.Length / (part.Info.DType.BitSize() / 8);
        var originSize = part.Origin.DType.BitSize() / 8;
        var origin = ArrayPool<byte>.Shared.Rent(count * originSize);
        var values = ArrayPool<float>.Shared.Rent(count);
        var change = ArrayPool<float>.Shared.Rent(count);
        try
        {
            var originBytes = origin.AsSpan(0, count * originSize);
            part.Source.Read(part.Origin, element * originSize, originBytes);
            var changeSpan = change.AsSpan(0, count);
            changeSpan.Clear();
            if (part.Update is { } update)
                Change(update, part.Info.Shape[1], element, changeSpan);
            if (part.Origin.DType == DType.F64 && part.Info.DType == DType.F64)
            {
                // Doubles keep their precision; only the change is single.
                var from = MemoryMarshal.Cast<byte, double>(originBytes);
                var to = MemoryMarshal.Cast<byte, double>(bytes);
                for (var i = 0; i < count; i++)
                    to[i] = from[i] + changeSpan[i];
                return;
            }

            var span = values.AsSpan(0, count);
            FloatConversion.ToFloat32(part.Origin.DType, originBytes, span);
            TensorPrimitives.Add(span, changeSpan, span);
            FloatConversion.FromFloat32(part.Info.DType, span, bytes);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(origin);
            ArrayPool<float>.Shared.Return(values);
            ArrayPool<float>.Shared.Return(change);
        }
    }

    private void Change(LowRankUpdate update, long columns, long element, Span<float> change)
    {
        var left = MemoryMarshal.Cast<byte, float>(_left.GetOrAdd(update.Name, () => update.Left(_adapter)).Bytes);
        var right = MemoryMarshal.Cast<byte, float>(_right.GetOrAdd(update.Name, () => update.Right(_adapter)).Bytes);
        for (var rest = change; !rest.IsEmpty;)
        {
            var (row, column) = Math.DivRem(element, columns);
            var part = rest[..(int)Math.Min(rest.Length, columns - column)];
            update.Row(left, right, row, (int)column, (int)columns, part);
            element += part.Length;
            rest = rest[part.Length..];
        }

        TensorPrimitives.Multiply(change, (float)update.Scaling, change);
    }

    private sealed record Part(TensorInfo Info, ICheckpoint Source, TensorInfo Origin, LowRankUpdate? Update);
}
