using FineMixing.Checkpoints;
using FineMixing.Models;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace FineMixing.Benchmarks.Training;

/// <summary>The reference of the training benchmarks: what one writes first in TorchSharp. Linear layers in single precision, the fused attention, a dense embedding gradient.</summary>
internal sealed class NaiveBert : Module<Tensor, Tensor, Tensor>
{
    private readonly ModelConfig _config;
    private readonly Embedding _words;
    private readonly Embedding _positions;
    private readonly Embedding _types;
    private readonly LayerNorm _norm;
    private readonly ModuleList<Block> _blocks;
    private readonly Linear _pooler;
    private readonly Linear _classifier;

    public NaiveBert(ModelConfig config)
        : base(nameof(NaiveBert))
    {
        _config = config;
        _words = Embedding(config.VocabularySize, config.HiddenSize);
        _positions = Embedding(config.MaxPositions, config.HiddenSize);
        _types = Embedding(config.TypeVocabularySize, config.HiddenSize);
        _norm = LayerNorm(config.HiddenSize, config.LayerNormEpsilon);
        _blocks = ModuleList([.. Enumerable.Range(0, config.Layers).Select(_ => new Block(config))]);
        _pooler = Linear(config.HiddenSize, config.HiddenSize);
        _classifier = Linear(config.HiddenSize, config.LabelCount);
        RegisterComponents();
    }

    /// <summary>Takes given weights instead of random ones.</summary>
    public void Load(StateDict weights)
    {
        using var noGradients = no_grad();
        Set(_words.weight!, weights, "bert.embeddings.word_embeddings.weight");
        Set(_positions.weight!, weights, "bert.embeddings.position_embeddings.weight");
        Set(_types.weight!, weights, "bert.embeddings.token_type_embeddings.weight");
        Set(_norm, weights, "bert.embeddings.LayerNorm");
        for (var layer = 0; layer < _config.Layers; layer++)
            ((Block)_blocks[layer]).Load(weights, FormattableString.Invariant($"bert.encoder.layer.{layer}."));
        Set(_pooler, weights, "bert.pooler.dense");
        Set(_classifier, weights, "classifier");
    }

    private static void Set(Tensor parameter, StateDict weights, string name)
    {
        using var values = tensor(weights[name].ToFloat32());
        parameter.copy_(values.view(parameter.shape));
    }

    private static void Set(Linear layer, StateDict weights, string name)
    {
        Set(layer.weight!, weights, name + ".weight");
        Set(layer.bias!, weights, name + ".bias");
    }

    private static void Set(LayerNorm layer, StateDict weights, string name)
    {
        Set(layer.weight!, weights, name + ".weight");
        Set(layer.bias!, weights, name + ".bias");
    }

    /// <summary>Scores from ids and mask, int64 [batch, tokens].</summary>
    public override Tensor forward(Tensor ids, Tensor mask)
    {
        var bias = (1.0f - mask.to(float32)).mul(-1e9f).view(ids.shape[0], 1, 1, ids.shape[1]);
        var x = _words.forward(ids) + _positions.forward(arange(ids.shape[1], dtype: int64, device: ids.device)) + _types.forward(zeros_like(ids));
        x = functional.dropout(_norm.forward(x), _config.HiddenDropout, training);
        foreach (var block in _blocks)
            x = block.forward(x, bias);
        return _classifier.forward(functional.dropout(_pooler.forward(x.select(1, 0)).tanh(), _config.HiddenDropout, training));
    }

    private sealed class Block : Module<Tensor, Tensor, Tensor>
    {
        private readonly ModelConfig _config;
        private readonly Linear _query;
        private readonly Linear _key;
        private readonly Linear _value;
        private readonly Linear _attention;
        private readonly LayerNorm _attentionNorm;
        private readonly Linear _inner;
        private readonly Linear _outer;
        private readonly LayerNorm _norm;

        public Block(ModelConfig config)
            : base(nameof(Block))
        {
            _config = config;
            _query = Linear(config.HiddenSize, config.HiddenSize);
            _key = Linear(config.HiddenSize, config.HiddenSize);
            _value = Linear(config.HiddenSize, config.HiddenSize);
            _attention = Linear(config.HiddenSize, config.HiddenSize);
            _attentionNorm = LayerNorm(config.HiddenSize, config.LayerNormEpsilon);
            _inner = Linear(config.HiddenSize, config.IntermediateSize);
            _outer = Linear(config.IntermediateSize, config.HiddenSize);
            _norm = LayerNorm(config.HiddenSize, config.LayerNormEpsilon);
            RegisterComponents();
        }

        public void Load(StateDict weights, string prefix)
        {
            Set(_query, weights, prefix + "attention.self.query");
            Set(_key, weights, prefix + "attention.self.key");
            Set(_value, weights, prefix + "attention.self.value");
            Set(_attention, weights, prefix + "attention.output.dense");
            Set(_attentionNorm, weights, prefix + "attention.output.LayerNorm");
            Set(_inner, weights, prefix + "intermediate.dense");
            Set(_outer, weights, prefix + "output.dense");
            Set(_norm, weights, prefix + "output.LayerNorm");
        }

        public override Tensor forward(Tensor x, Tensor bias)
        {
            Tensor Heads(Tensor y) => y.view(x.shape[0], x.shape[1], _config.Heads, _config.HeadSize).transpose(1, 2);
            var context = functional.scaled_dot_product_attention(Heads(_query.forward(x)), Heads(_key.forward(x)), Heads(_value.forward(x)), bias, training ? _config.AttentionDropout : 0);
            var attended = _attention.forward(context.transpose(1, 2).reshape(x.shape));
            x = _attentionNorm.forward(x + functional.dropout(attended, _config.HiddenDropout, training));
            var outer = _outer.forward(functional.gelu(_inner.forward(x)));
            return _norm.forward(x + functional.dropout(outer, _config.HiddenDropout, training));
        }
    }
}
