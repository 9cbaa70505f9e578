using System.Collections.Immutable;
using System.Runtime.InteropServices;
using FineMixing.Checkpoints;
using FineMixing.Models;
using FineMixing.Torch.FineTuning;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Models;

/// <summary>A parameter that training treats as one piece: one or more checkpoint tensors that lie side by side.</summary>
internal sealed class ParameterBlock(ImmutableArray<(string Name, long[] Shape)> parts, long[] shape, bool matrixProduct)
{
    /// <summary>Checkpoint tensors stacked along the first dimension (query, key and value make one product).</summary>
    public ImmutableArray<(string Name, long[] Shape)> Parts { get; } = parts;

    public long[] Shape { get; } = shape;

    /// <summary>Where it begins in the flat buffer.</summary>
    public long Offset { get; set; }

    public long Length { get; } = shape.Aggregate(1L, (a, b) => a * b);

    /// <summary>Elements up to the next block: 64 are a whole number of cache lines in both precisions.</summary>
    public long Room => (Length + 63) / 64 * 64;

    /// <summary>True for weights and biases of linear layers, which run in bfloat16 where that is on.</summary>
    public bool MatrixProduct { get; } = matrixProduct;

    /// <summary>Decoupled weight decay applies to matrices only.</summary>
    public bool Decays => Shape.Length > 1;

    /// <summary>What the forward pass reads: a view of the master or of its bfloat16 copy.</summary>
    public Tensor Leaf { get; set; } = null!;

    /// <summary>The gradient of the other half of the batch, when two halves ran side by side; the optimiser adds it to <see cref="Leaf"/>'s.</summary>
    public Tensor? SecondGradient { get; set; }

    public unsafe float* Master { get; set; }

    public unsafe ushort* Low { get; set; }
}

/// <summary>The blocks of one encoder layer.</summary>
internal sealed record LayerBlocks(
    ParameterBlock Query, ParameterBlock KeyValue, ParameterBlock? QueryKeyValue,
    ParameterBlock QueryBias, ParameterBlock KeyValueBias, ParameterBlock? QueryKeyValueBias,
    ParameterBlock AttentionOutput, ParameterBlock AttentionOutputBias, ParameterBlock AttentionNorm, ParameterBlock AttentionNormBias,
    ParameterBlock Intermediate, ParameterBlock IntermediateBias, ParameterBlock Output, ParameterBlock OutputBias, ParameterBlock OutputNorm, ParameterBlock OutputNormBias);

/// <summary>
/// All weights of a classifier in one flat single-precision buffer (word embeddings apart), with an optional bfloat16 copy of the same layout.
/// </summary>
/// <remarks>The forward pass sees views of these buffers; the optimiser walks the buffers themselves, so a step is a few long loops instead of thousands of small calls.</remarks>
internal sealed unsafe class ParameterStore : IDisposable
{
    private readonly Tensor _master;
    private readonly Tensor? _low;
    private readonly List<ParameterBlock> _blocks = [];
    private long _length;

    private readonly bool _ownsMemory;

    private ParameterStore(ModelConfig config, Device device, bool lowPrecision, bool trainable, ParameterStore? sharing = null)
    {
        (Config, Device, LowPrecision, Trainable) = (config, device, lowPrecision, trainable);
        Positions = Add("bert.embeddings.position_embeddings.weight", [config.MaxPositions, config.HiddenSize]);
        Types = Add("bert.embeddings.token_type_embeddings.weight", [config.TypeVocabularySize, config.HiddenSize]);
        EmbeddingNorm = Add("bert.embeddings.LayerNorm.weight", [config.HiddenSize]);
        EmbeddingNormBias = Add("bert.embeddings.LayerNorm.bias", [config.HiddenSize]);
        Layers = [.. Enumerable.Range(0, config.Layers).Select(AddLayer)];
        PoolerWeight = Add("bert.pooler.dense.weight", [config.HiddenSize, config.HiddenSize], matrixProduct: true);
        PoolerBias = Add("bert.pooler.dense.bias", [config.HiddenSize], matrixProduct: true);
        ClassifierWeight = Add("classifier.weight", [config.LabelCount, config.HiddenSize]);
        ClassifierBias = Add("classifier.bias", [config.LabelCount]);

        // On a GPU blocks of one precision lie together, so that their gradients can be joined in one operation.
        foreach (var block in device.type == DeviceType.CPU ? _blocks : _blocks.OrderByDescending(b => b.MatrixProduct).ToList())
        {
            block.Offset = _length;
            _length += block.Room;
        }

        _ownsMemory = sharing is null;
        _master = sharing?._master ?? zeros(_length, dtype: float32, device: device).DetachFromDisposeScope();
        _low = sharing is not null ? sharing._low : lowPrecision ? zeros(_length, dtype: bfloat16, device: device).DetachFromDisposeScope() : null;
        Words = sharing?.Words ?? zeros(config.VocabularySize, config.HiddenSize, dtype: float32, device: device).DetachFromDisposeScope();
        using var scope = NewDisposeScope();
        foreach (var block in _blocks)
        {
            var low = lowPrecision && block.MatrixProduct;
            block.Leaf = View(low ? _low! : _master, block).requires_grad_(trainable).DetachFromDisposeScope();
            if (device.type == DeviceType.CPU)
            {
                block.Master = (float*)Pointer(View(_master, block));
                block.Low = low ? (ushort*)Pointer(block.Leaf) : null;
            }
        }
    }

    public ModelConfig Config { get; }

    public Device Device { get; }

    public bool LowPrecision { get; }

    public bool Trainable { get; }

    public IReadOnlyList<ParameterBlock> Blocks => _blocks;

    public ParameterBlock Positions { get; }

    public ParameterBlock Types { get; }

    public ParameterBlock EmbeddingNorm { get; }

    public ParameterBlock EmbeddingNormBias { get; }

    public ImmutableArray<LayerBlocks> Layers { get; }

    public ParameterBlock PoolerWeight { get; }

    public ParameterBlock PoolerBias { get; }

    public ParameterBlock ClassifierWeight { get; }

    public ParameterBlock ClassifierBias { get; }

    /// <summary>Word embeddings, single precision [vocabulary, hidden]; not a leaf: training gathers the rows of a batch.</summary>
    public Tensor Words { get; }

    public float* WordRows => (float*)Pointer(Words);

    /// <summary>Elements of the flat buffer.</summary>
    public long Length => _length;

    public Tensor Master => _master;

    /// <summary>Copies weights in, converting to single precision.</summary>
    /// <exception cref="ModelFormatException">A tensor is missing, left over or of another shape; all are listed.</exception>
    public static ParameterStore Load(ModelConfig config, StateDict weights, Device device, bool lowPrecision, bool trainable)
    {
        var store = new ParameterStore(config, device, lowPrecision, trainable);
        try
        {
            store.CopyFrom(weights);
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>A store over the same memory whose leaves collect gradients of their own; dispose it before this one.</summary>
    public ParameterStore Share() => new(Config, Device, LowPrecision, Trainable, this);

    /// <summary>All weights in single precision under their checkpoint names.</summary>
    public StateDict Save(string location = "memory")
    {
        using var scope = NewDisposeScope();
        var result = new StateDict(location);
        result.Add(Copy("bert.embeddings.word_embeddings.weight", [Config.VocabularySize, Config.HiddenSize], Words));
        foreach (var block in _blocks)
        {
            var values = View(_master, block).view(-1);
            long at = 0;
            foreach (var (name, shape) in block.Parts)
            {
                var count = shape.Aggregate(1L, (a, b) => a * b);
                result.Add(Copy(name, shape, values.narrow(0, at, count)));
                at += count;
            }
        }

        return result;
    }

    /// <summary>The single-precision values of a block, sharing memory.</summary>
    public Tensor MasterView(ParameterBlock block) => View(_master, block);

    /// <summary>Rounds the whole master into the bfloat16 copy.</summary>
    public void RefreshLow()
    {
        if (_low is null)
            return;
        using var scope = NewDisposeScope();
        using (no_grad())
            _low.copy_(_master);
    }

    /// <summary>Describes all weights, in single precision.</summary>
    public void Transfer(IStateTransfer transfer)
    {
        transfer.Tensor("weights", _master);
        transfer.Tensor("words", Words);
        RefreshLow();
    }

    public void Dispose()
    {
        foreach (var block in _blocks)
            block.Leaf?.Dispose();
        if (!_ownsMemory)
            return;
        _master.Dispose();
        _low?.Dispose();
        Words.Dispose();
    }

    public static void* Pointer(Tensor tensor)
    {
        fixed (byte* p = tensor.bytes)
            return p;
    }

    private static Tensor View(Tensor flat, ParameterBlock block) => flat.narrow(0, block.Offset, block.Length).view(block.Shape).detach();

    private static HostTensor Copy(string name, long[] shape, Tensor values)
    {
        var bytes = values.cpu().contiguous().bytes.ToArray();
        return new HostTensor(new TensorInfo(name, DType.F32, [.. shape]), bytes);
    }

    private void CopyFrom(StateDict weights)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        var problems = new List<string>();
        void Fill(string name, long[] shape, Tensor target)
        {
            if (!weights.TryGetValue(name, out var tensor))
                problems.Add($"'{name}' [{string.Join(", ", shape)}] is missing");
            else if (!tensor.Info.Shape.AsSpan().SequenceEqual(shape))
                problems.Add($"'{name}' is {tensor.Info.ShapeText}, expected [{string.Join(", ", shape)}]");
            else if (!tensor.Info.DType.IsMixable())
                problems.Add($"'{name}' is {tensor.Info.DType.SafetensorsName()}, expected F32, F16, BF16 or F64");
            else if (Device.type == DeviceType.CPU)
                FloatConversion.ToFloat32(tensor.Info.DType, tensor.Bytes, MemoryMarshal.Cast<byte, float>(target.bytes));
            else
                target.copy_(tensor_of(tensor));
        }

        Tensor tensor_of(HostTensor tensor) => torch.tensor(tensor.ToFloat32()).to(Device);
        var wanted = new HashSet<string>(StringComparer.Ordinal) { "bert.embeddings.word_embeddings.weight" };
        Fill("bert.embeddings.word_embeddings.weight", [Config.VocabularySize, Config.HiddenSize], Words.view(-1));
        foreach (var block in _blocks)
        {
            var values = View(_master, block).view(-1);
            long at = 0;
            foreach (var (name, shape) in block.Parts)
            {
                var count = shape.Aggregate(1L, (a, b) => a * b);
                wanted.Add(name);
                Fill(name, shape, values.narrow(0, at, count));
                at += count;
            }
        }

        problems.AddRange(weights.Tensors.Where(t => !wanted.Contains(t.Name)).Select(t => $"'{t.Name}' {t.ShapeText} is not part of this architecture"));
        if (problems.Count > 0)
            throw new ModelFormatException($"{weights.Location}: {string.Join("; ", problems)}.");
        RefreshLow();
    }

    private LayerBlocks AddLayer(int index)
    {
        var (hidden, inner, prefix) = ((long)Config.HiddenSize, (long)Config.IntermediateSize, $"bert.encoder.layer.{index}.");
        ParameterBlock Stack(string kind, long[] part, params string[] names) =>
            Add([.. names.Select(n => ($"{prefix}attention.self.{n}.{kind}", part))], [names.Length * hidden, .. part.Skip(1)], true);

        // Only the first token of the last layer reaches the classifier: its query runs alone there, elsewhere the three are one product.
        var last = index == Config.Layers - 1;
        var qkv = last ? null : Stack("weight", [hidden, hidden], "query", "key", "value");
        var qkvBias = last ? null : Stack("bias", [hidden], "query", "key", "value");
        var query = last ? Stack("weight", [hidden, hidden], "query") : qkv!;
        var keyValue = last ? Stack("weight", [hidden, hidden], "key", "value") : qkv!;
        var queryBias = last ? Stack("bias", [hidden], "query") : qkvBias!;
        var keyValueBias = last ? Stack("bias", [hidden], "key", "value") : qkvBias!;
        return new LayerBlocks(
            query, keyValue, qkv, queryBias, keyValueBias, qkvBias,
            Add(prefix + "attention.output.dense.weight", [hidden, hidden], true), Add(prefix + "attention.output.dense.bias", [hidden], true),
            Add(prefix + "attention.output.LayerNorm.weight", [hidden]), Add(prefix + "attention.output.LayerNorm.bias", [hidden]),
            Add(prefix + "intermediate.dense.weight", [inner, hidden], true), Add(prefix + "intermediate.dense.bias", [inner], true),
            Add(prefix + "output.dense.weight", [hidden, inner], true), Add(prefix + "output.dense.bias", [hidden], true),
            Add(prefix + "output.LayerNorm.weight", [hidden]), Add(prefix + "output.LayerNorm.bias", [hidden]));
    }

    private ParameterBlock Add(string name, long[] shape, bool matrixProduct = false) => Add([(name, shape)], shape, matrixProduct);

    private ParameterBlock Add(ImmutableArray<(string Name, long[] Shape)> parts, long[] shape, bool matrixProduct)
    {
        var block = new ParameterBlock(parts, shape, matrixProduct);
        _blocks.Add(block);
        return block;
    }
}
